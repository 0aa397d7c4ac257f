import type { ModelCall, ModelCallEnd } from '../usage/meter.ts'
import { costOfTokens, type ModelPrice } from './prices.ts'

/** What has to be held before a call, in micro-credits. */
export interface CallBounds {
  /** The call cannot cost more than this. */
  worst: number
  /** Enough for a short answer, which is better than none. */
  comfortable: number
  /** With less than this the call is not worth making. */
  least: number
}

const comfortableOutputTokens = 4096
/** A sentence or two, or one use of a tool. */
const leastOutputTokens = 256
const tokensPerPrice = 1_000_000n

export function boundsOf(
  price: ModelPrice,
  { inputTokensMax, outputTokensMax }: Pick<ModelCall, 'inputTokensMax' | 'outputTokensMax'>,
): CallBounds {
  const costWith = (outputTokens: number): number =>
    dearest(price, inputTokensMax, Math.min(outputTokens, outputTokensMax))
  return {
    worst: costWith(outputTokensMax),
    comfortable: costWith(comfortableOutputTokens),
    least: costWith(leastOutputTokens),
  }
}

/** How much a call may write when this much is held for it. */
export function outputTokensFor(
  price: ModelPrice,
  { inputTokensMax, outputTokensMax }: Pick<ModelCall, 'inputTokensMax' | 'outputTokensMax'>,
  held: number,
): number {
  const perToken = BigInt(dearestOutput(price))
  if (perToken === 0n) return outputTokensMax
  const left = BigInt(held) * tokensPerPrice - BigInt(inputTokensMax) * BigInt(dearestInput(price))
  const tokens = left > 0n ? left / perToken : 0n
  return tokens < BigInt(outputTokensMax) ? Number(tokens) : outputTokensMax
}

/** What a call cost in the end. What came to nothing costs nothing, whatever the provider says of it. */
export function costOfCall(price: ModelPrice, { outcome, usage }: ModelCallEnd): number {
  return outcome === 'failed' || usage === null ? 0 : costOfTokens(price, usage)
}

/** So many tokens at the dearest price that can apply to them: all of the input may have been written to a cache. */
function dearest(price: ModelPrice, inputTokens: number, outputTokens: number): number {
  const sum =
    BigInt(inputTokens) * BigInt(dearestInput(price)) + BigInt(outputTokens) * BigInt(dearestOutput(price))
  return Number((sum + tokensPerPrice - 1n) / tokensPerPrice)
}

function dearestInput({ input, cachedInput, cacheWriteInput }: ModelPrice): number {
  return Math.max(input, cachedInput, cacheWriteInput)
}

function dearestOutput({ output, reasoning }: ModelPrice): number {
  return Math.max(output, reasoning)
}
