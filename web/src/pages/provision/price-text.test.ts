import { expect, it } from 'vitest'
import { priceText } from './price-text.ts'

const plans = {
  free: { running: 2_000_000, suspended: 100_000, stored: 0 },
  always_on: { running: 7_500_000, suspended: 0, stored: 0 },
  gift: { running: 0, suspended: 0, stored: 0 },
}

it('says what the plan costs and not what another one does', () => {
  expect(priceText({ plans }, 'free')).toBe('Costs 2 credits per hour running, 0.1 suspended.')
  expect(priceText({ plans }, 'always_on')).toBe('Costs 7.5 credits per hour running, 0 suspended.')
})

it('says that nothing is charged for a plan without a price', () => {
  expect([priceText({ plans }, 'gift'), priceText({ plans }, 'unknown')]).toEqual([
    'Running costs nothing.',
    'Running costs nothing.',
  ])
})
