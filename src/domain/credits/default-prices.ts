import { microsPerCredit } from './credit.ts'
import type { ModelPrice, PriceList, RuntimePrice } from './prices.ts'

/** A credit sells for one US cent. */
const microsPerDollar = 100 * microsPerCredit

/** What Reef asks for each dollar that a provider does: the operator's margin for payments, losses and their own work. */
export const providerMargin = 1.2

/** US dollars per million tokens, as providers list them. */
interface DollarPrice {
  input: number
  cachedInput: number
  cacheWriteInput: number
  output: number
}

/**
 * The known models of `src/models/catalogue.ts`, at the prices of OpenClaw's own catalogue (its `cacheRead` and `cacheWrite`
 * are `cachedInput` and `cacheWriteInput` here); Claude Haiku 4.5, which that leaves out, at Anthropic's list price.
 * OpenAI's are those below 272,000 tokens of input, which the catalogue of Reef keeps instances below. The demo model
 * costs nobody anything: its price is there so that a Reef without any key shows what metering does.
 */
const dollars: Record<string, DollarPrice> = {
  'openai/gpt-6-sol': { input: 2, cachedInput: 0.2, cacheWriteInput: 2.5, output: 10 },
  'openai/gpt-6-astra': { input: 10, cachedInput: 1, cacheWriteInput: 12.5, output: 50 },
  'openai/gpt-6-luna': { input: 0.1, cachedInput: 0.01, cacheWriteInput: 0.125, output: 0.5 },
  'anthropic/claude-sonnet-5': { input: 2, cachedInput: 0.2, cacheWriteInput: 2.5, output: 10 },
  'anthropic/claude-opus-5-5': { input: 4, cachedInput: 0.2, cacheWriteInput: 5, output: 20 },
  'anthropic/claude-haiku-4-5': { input: 1, cachedInput: 0.1, cacheWriteInput: 1.25, output: 5 },
  'demo/reef-demo': { input: 0.05, cachedInput: 0.05, cacheWriteInput: 0.05, output: 0.2 },
}

/** Credits per hour. A machine of 2 GB costs an operator one to three cents an hour; asleep it takes next to nothing. */
const creditsPerHour: Record<string, RuntimePrice> = {
  free: { running: 2, suspended: 0.1, stored: 0 },
  always_on: { running: 2, suspended: 0.1, stored: 0 },
}

/** What version 1 says, until an operator publishes prices of their own. */
export const defaultPrices: PriceList = {
  models: mapValues(dollars, modelPrice),
  plans: mapValues(creditsPerHour, (plan) => mapValues(plan, (credits) => credits * microsPerCredit)),
  storagePerGibibyteMonth: 0,
  egressPerGibibyte: null,
}

function modelPrice({ input, cachedInput, cacheWriteInput, output }: DollarPrice): ModelPrice {
  return {
    input: retail(input),
    cachedInput: retail(cachedInput),
    cacheWriteInput: retail(cacheWriteInput),
    output: retail(output),
    reasoning: retail(output),
  }
}

/** Rounded, since 0.1 * 1.2 is not quite 0.12 in binary. */
function retail(dollarsPerMillion: number): number {
  return Math.round(dollarsPerMillion * providerMargin * microsPerDollar)
}

function mapValues<K extends string, A, B>(values: Record<K, A>, change: (value: A) => B): Record<K, B> {
  return Object.fromEntries(Object.entries<A>(values).map(([key, value]) => [key, change(value)])) as Record<
    K,
    B
  >
}
