import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { ModelCallEnd, TokenUsage } from '../usage/meter.ts'
import { boundsOf, costOfCall, outputTokensFor } from './call-cost.ts'
import { defaultPrices, providerMargin } from './default-prices.ts'
import { costOfTokens, type ModelPrice } from './prices.ts'

const price: ModelPrice = { input: 240, cachedInput: 24, cacheWriteInput: 300, output: 1200, reasoning: 1200 }
const million: ModelPrice = Object.fromEntries(
  Object.entries(price).map(([part, micros]) => [part, micros * 1_000_000]),
) as unknown as ModelPrice

const usage = (more: Partial<TokenUsage> = {}): TokenUsage => ({
  inputTokens: 0,
  cachedInputTokens: null,
  cacheWriteInputTokens: null,
  outputTokens: 0,
  reasoningTokens: null,
  ...more,
})

const prices = fc.record({
  input: fc.nat(2_000_000_000),
  cachedInput: fc.nat(2_000_000_000),
  cacheWriteInput: fc.nat(2_000_000_000),
  output: fc.nat(9_000_000_000),
  reasoning: fc.nat(9_000_000_000),
})
const tokens = fc.nat(2_000_000)

describe('what a call can cost', () => {
  it('is what its tokens cost at the dearest prices, rounded up only where they do not come out even', () => {
    expect(boundsOf(million, { inputTokensMax: 10, outputTokensMax: 2 }).worst).toBe(10 * 300 + 2 * 1200)
    expect(boundsOf(price, { inputTokensMax: 10, outputTokensMax: 2 }).worst).toBe(1)
  })
})

describe('what a call costs', () => {
  it('is the sum of its parts at their prices, rounded up once', () => {
    const used = usage({
      inputTokens: 15_000,
      cachedInputTokens: 12_000,
      cacheWriteInputTokens: 500,
      outputTokens: 300,
      reasoningTokens: 100,
    })
    expect(costOfTokens(million, used)).toBe(2500 * 240 + 12_000 * 24 + 500 * 300 + 300 * 1200)
    expect(costOfTokens(price, used)).toBe(2)
    expect(costOfTokens(price, usage({ inputTokens: 1 }))).toBe(1)
    expect(costOfTokens(price, usage())).toBe(0)
  })

  it('is nothing when it came to nothing', () => {
    const end: ModelCallEnd = {
      outcome: 'failed',
      httpStatus: 500,
      errorCode: 'x',
      usage: usage({ inputTokens: 1000 }),
      estimated: false,
      firstByteAt: null,
      finishedAt: new Date(0),
    }
    expect(costOfCall(million, end)).toBe(0)
    expect(costOfCall(million, { ...end, outcome: 'cancelled' })).toBe(240_000)
    expect(costOfCall(million, { ...end, outcome: 'cancelled', usage: null })).toBe(0)
  })

  it('is never more than was held, for any prices and any usage within the bounds', () => {
    fc.assert(
      fc.property(
        prices,
        tokens,
        tokens,
        fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 5, maxLength: 5 }),
        (any, inputTokensMax, outputTokensMax, [a = 0, b = 0, c = 0, d = 0, e = 0]) => {
          const inputTokens = Math.floor(inputTokensMax * a)
          const cachedInputTokens = Math.floor(inputTokens * b)
          const outputTokens = Math.floor(outputTokensMax * d)
          const used: TokenUsage = {
            inputTokens,
            cachedInputTokens,
            cacheWriteInputTokens: Math.floor((inputTokens - cachedInputTokens) * c),
            outputTokens,
            reasoningTokens: Math.floor(outputTokens * e),
          }
          const { worst } = boundsOf(any, { inputTokensMax, outputTokensMax })
          expect(costOfTokens(any, used)).toBeLessThanOrEqual(worst)
        },
      ),
    )
  })

  it('stays within whatever part was held, with as much output as that pays for', () => {
    fc.assert(
      fc.property(prices, tokens, tokens, fc.nat(1000), (any, inputTokensMax, outputTokensMax, share) => {
        const call = { inputTokensMax, outputTokensMax }
        const { least, worst, comfortable } = boundsOf(any, call)
        expect(least).toBeLessThanOrEqual(comfortable)
        expect(comfortable).toBeLessThanOrEqual(worst)
        const held = least + Math.floor(((worst - least) * share) / 1000)
        const outputTokens = outputTokensFor(any, call, held)
        expect(outputTokens).toBeGreaterThanOrEqual(Math.min(256, outputTokensMax))
        expect(outputTokens).toBeLessThanOrEqual(outputTokensMax)
        // At the dearest: all of the input written to the cache or not, all of the output reasoning or not.
        for (const cacheWriteInputTokens of [0, inputTokensMax])
          for (const reasoningTokens of [0, outputTokens])
            expect(
              costOfTokens(
                any,
                usage({ inputTokens: inputTokensMax, cacheWriteInputTokens, outputTokens, reasoningTokens }),
              ),
            ).toBeLessThanOrEqual(held)
        expect(outputTokensFor(any, call, worst)).toBe(outputTokensMax)
      }),
    )
  })
})

describe('the prices that come with Reef', () => {
  it('are the providers’ with the operator’s margin: 1 dollar is 100 credits', () => {
    expect(defaultPrices.models['openai/gpt-6-sol']).toEqual({
      input: 2 * 100_000_000 * providerMargin,
      cachedInput: 24_000_000,
      cacheWriteInput: 300_000_000,
      output: 1_200_000_000,
      reasoning: 1_200_000_000,
    })
    for (const price of Object.values(defaultPrices.models))
      for (const micros of Object.values(price)) expect(Number.isSafeInteger(micros) && micros > 0).toBe(true)
    expect(defaultPrices.plans.free).toEqual({ running: 2_000_000, suspended: 100_000, stored: 0 })
  })
})
