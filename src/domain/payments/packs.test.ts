import { expect, it } from 'vitest'
import { creditsOfMoney, moneyOfCredits, parsePacks } from './packs.ts'

it('reads packs with prices in hundredths', () => {
  expect(parsePacks('500=5, 1000=9.5,10400=100.00')).toEqual([
    { id: '500', name: '500 credits', creditsMicros: 500_000_000, priceCents: 500 },
    { id: '1000', name: '1,000 credits', creditsMicros: 1_000_000_000, priceCents: 950 },
    { id: '10400', name: '10,400 credits', creditsMicros: 10_400_000_000, priceCents: 10_000 },
  ])
})

it.each(['', '500', '500=', '0=5', '500=0', '500=5.999', '500=5,500=6', '500=-5', 'a=5', '500=5,'])(
  'refuses %j',
  (text) => {
    expect(parsePacks(text)).toBeUndefined()
  },
)

it('never gives more credits or money back than was paid, however it is split', () => {
  const payment = { credits: 1_000_000_007, amount_cents: 999 }
  for (const parts of [[999], [333, 666], [1, 1, 997], Array.from({ length: 999 }, () => 1)]) {
    const credits = parts.reduce((sum, cents) => sum + creditsOfMoney(payment, cents), 0)
    expect(credits).toBeLessThanOrEqual(payment.credits)
    expect(credits).toBeGreaterThan(payment.credits - parts.length)
  }
  expect(creditsOfMoney(payment, 999)).toBe(payment.credits)
  expect(moneyOfCredits(payment, payment.credits)).toBe(999)
  expect(moneyOfCredits(payment, payment.credits - 1)).toBe(998)
})
