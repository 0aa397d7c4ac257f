import type { TokenUsage } from '../domain/usage/meter.ts'
import type { RequestBounds } from './bounds.ts'
import type { AnswerReading } from './usage.ts'

export interface Counted {
  usage: TokenUsage | null
  estimated: boolean
}

/**
 * What an answer used: what the provider says, or where it does not say, what went by. Never more than was admitted, since
 * an estimate is Reef's own word.
 */
export function usageOfAnswer(
  open: { bounds: RequestBounds; outputTokensMax: number },
  reading: Pick<AnswerReading, 'usage' | 'final'> | null,
  relayedTokens: number,
): Counted {
  const told = reading?.usage ?? null
  if (reading?.final && told && told.inputTokens !== null && told.outputTokens !== null)
    return { usage: told, estimated: false }
  return {
    usage: {
      inputTokens: told?.inputTokens ?? open.bounds.inputTokensEstimate,
      cachedInputTokens: told?.cachedInputTokens ?? null,
      cacheWriteInputTokens: told?.cacheWriteInputTokens ?? null,
      // Anthropic's first event says how many it has written so far: one.
      outputTokens: Math.max(told?.outputTokens ?? 0, Math.min(relayedTokens, open.outputTokensMax)),
      reasoningTokens: told?.reasoningTokens ?? null,
    },
    estimated: true,
  }
}
