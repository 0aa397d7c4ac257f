import type { RuntimeState } from '../../db/tables/usage.ts'
import type { TokenUsage } from '../usage/meter.ts'

/** Micro-credits per million tokens. */
export interface ModelPrice {
  /** What was read and was not in the provider's cache. */
  input: number
  cachedInput: number
  /** What was written to the provider's cache; the same as `input` where it costs nothing extra. */
  cacheWriteInput: number
  output: number
  /** The part of the output that was reasoning. */
  reasoning: number
}

/** Micro-credits per hour in each state. */
export type RuntimePrice = Record<RuntimeState, number>

export interface PriceList {
  /** By PROVIDER/MODEL. A model that is not here cannot be called. */
  models: Record<string, ModelPrice>
  /** By plan. */
  plans: Record<string, RuntimePrice>
  /** Micro-credits per GiB and 30 days of saved state; 0 where it is free. */
  storagePerGibibyteMonth: number
  /** Micro-credits per GiB that left through the egress proxy; null where it is not charged. */
  egressPerGibibyte: number | null
}

const tokensPerPrice = 1_000_000
const millisecondsPerHour = 3_600_000

/**
 * What a call's tokens cost, rounded up to a whole micro-credit once over the whole call. What the provider left out
 * counts as zero; cached and written input are parts of the input, reasoning is a part of the output.
 */
export function costOfTokens(price: ModelPrice, usage: TokenUsage): number {
  const cached = usage.cachedInputTokens ?? 0
  const written = usage.cacheWriteInputTokens ?? 0
  const reasoning = usage.reasoningTokens ?? 0
  const fresh = Math.max(0, (usage.inputTokens ?? 0) - cached - written)
  const plain = Math.max(0, (usage.outputTokens ?? 0) - reasoning)
  return scaled(
    [
      [fresh, price.input],
      [cached, price.cachedInput],
      [written, price.cacheWriteInput],
      [plain, price.output],
      [reasoning, price.reasoning],
    ],
    tokensPerPrice,
  )
}

/** What so many milliseconds in a state cost, rounded up to a whole micro-credit. */
export function costOfRuntime(price: RuntimePrice, state: RuntimeState, milliseconds: number): number {
  return scaled([[milliseconds, price[state]]], millisecondsPerHour)
}

/** Exact, whatever the size: products of tokens and prices can pass 2^53. */
function scaled(products: readonly (readonly [number, number])[], divisor: number): number {
  const sum = products.reduce((total, [count, price]) => total + BigInt(count) * BigInt(price), 0n)
  const by = BigInt(divisor)
  return Number((sum + by - 1n) / by)
}
