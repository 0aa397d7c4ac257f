import fc from 'fast-check'
import { expect, it } from 'vitest'
import { decimalCredits, formatCredits, microsOf } from './credit.ts'

it('shows two decimals, more where they would show nothing, and never promises too much', () => {
  expect(formatCredits(0)).toBe('0')
  expect(formatCredits(1_234_567_890)).toBe('1,234.56')
  expect(formatCredits(1_999_999)).toBe('1.99')
  expect(formatCredits(12)).toBe('0.000012')
})

it('writes and reads decimals without losing a micro-credit', () => {
  fc.assert(
    fc.property(fc.maxSafeInteger(), (micros) => {
      expect(microsOf(decimalCredits(micros))).toBe(micros === 0 ? 0 : micros)
    }),
  )
  expect(decimalCredits(-120)).toBe('-0.000120')
})

it.each(['', 'x', '1,5', '1e3', '0.0000001', '99999999999', ' 1', '--1'])(
  'takes %j for no amount',
  (text) => {
    expect(microsOf(text)).toBeUndefined()
  },
)
