import { expect, test } from 'vitest'
import { backoffMs } from './backoff.ts'

const limits = { minMs: 100, maxMs: 5000 }

test('the delay doubles with each attempt up to its maximum', () => {
  const delays = [0, 1, 2, 5, 6, 60, 5000].map((attempt) => backoffMs(attempt, limits, () => 1))
  expect(delays).toEqual([100, 200, 400, 3200, 5000, 5000, 5000])
})

test('chance halves the delay at most', () => {
  expect(backoffMs(3, limits, () => 0)).toBe(400)
  expect(backoffMs(3, limits, () => 0.5)).toBe(600)
})
