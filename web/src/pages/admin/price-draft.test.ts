import { expect, it } from 'vitest'
import type { PriceList } from '../../api/types.ts'
import { draftOf, listOf } from './price-draft.ts'

const prices: PriceList = {
  models: {
    'demo/reef-demo': {
      input: 6_000_000,
      cachedInput: 0,
      cacheWriteInput: 1,
      output: 120_500_000,
      reasoning: 10_000_000,
    },
  },
  plans: { free: { running: 2_000_000, suspended: 100_000, stored: 0 } },
  storagePerGibibyteMonth: 0,
  egressPerGibibyte: null,
}

it('shows a list as credits, and reads back the very same', () => {
  const draft = draftOf(prices, [])
  expect(draft.models['demo/reef-demo']).toEqual({
    input: '6',
    cachedInput: '0',
    cacheWriteInput: '0.000001',
    output: '120.5',
    reasoning: '10',
  })
  expect(listOf(draft)).toEqual({ prices })
})

it('has a line for each model without a price, which is left out while it is empty', () => {
  const draft = draftOf(prices, ['openai/new'])
  expect(Object.keys(draft.models)).toEqual(['demo/reef-demo', 'openai/new'])
  expect(listOf(draft)).toEqual({ prices })
})

it.each(['', '-1', 'two', '1.0000001'])('names the field in which %j is no price', (text) => {
  const draft = draftOf(prices, [])
  draft.plans.free = { running: text, suspended: '0', stored: '0' }
  expect(listOf(draft)).toEqual({ wrong: 'free: running' })
})
