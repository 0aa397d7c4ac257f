import { describe, expect, it } from 'vitest'
import { statementSearch } from '../../api/credits.ts'
import { changeText, moneyText, parseCredits, timeText } from '../../ui/credits.ts'
import { budgetText, entryText, lastsText, paymentText } from './words.ts'

const now = Date.parse('2026-11-21T12:00:00Z')
const lasting = (until: string | null) => lastsText({ lastsUntil: until }, now)

describe('how long credits last', () => {
  it.each([
    [null, '—'],
    ['2026-11-21T12:45:00.000Z', '45 min'],
    ['2026-11-22T15:05:00.000Z', '27 h 5 min'],
    ['2026-11-25T11:00:00.000Z', '3 days'],
    ['2039-01-01T00:00:00.000Z', 'years'],
    ['2026-11-21T11:59:00.000Z', 'used up'],
  ])('until %s is %s', (until, text) => {
    expect(lasting(until)).toBe(text)
  })
})

describe('an entry of the statement', () => {
  it('is its note, or what was used', () => {
    expect(entryText({ kind: 'grant', note: 'a first month', key: 'grant:1' })).toBe('a first month')
    expect(entryText({ kind: 'release', note: null, key: 'call:1:settle' })).toBe('Model call')
    expect(entryText({ kind: 'usage', note: null, key: 'runtime:1:7' })).toBe('Running time')
    expect(entryText({ kind: 'purchase', note: null, key: 'payment:1' })).toBe('')
  })
})

describe('a payment', () => {
  const paid = { state: 'paid', failure: null, refundedCents: 0, amountCents: 500, dispute: null } as const
  it.each([
    [paid, 'Paid'],
    [{ ...paid, refundedCents: 100 }, 'Refunded in part'],
    [{ ...paid, refundedCents: 500 }, 'Refunded'],
    [{ ...paid, dispute: 'open' as const }, 'Disputed'],
    [{ ...paid, state: 'failed' as const, failure: 'Your card was declined.' }, 'Your card was declined.'],
  ])('of %j is %s', (payment, text) => {
    expect(paymentText(payment)).toBe(text)
  })
})

describe('amounts', () => {
  it('are read as people write them, and nothing else is', () => {
    expect([' 1,000.5 ', '0.000001'].map(parseCredits)).toEqual([1_000_500_000, 1])
    expect(['', '0', '-1', 'ten', '1.0000001'].map(parseCredits)).toEqual(Array(5).fill(undefined))
  })

  it('are written with their sign, money with its currency, and time in its two largest units', () => {
    expect([changeText(5_000_000), changeText(-1_500_000)]).toEqual(['+5', '−1.5'])
    expect(moneyText(950, 'usd')).toBe('$9.50')
    expect([timeText(42), timeText(600), timeText(3_700)]).toEqual(['42 s', '10 min', '1 h 2 min'])
  })
})

it('names whom a budget is for, also when they have left', () => {
  expect(budgetText({ scope: 'organization', subjectId: null, subjectName: null })).toBe(
    'The whole organization',
  )
  expect(budgetText({ scope: 'member', subjectId: 'u', subjectName: null })).toBe('Somebody who has left')
})

it('asks for the whole of the last day, and for nothing that was left empty', () => {
  expect(String(statementSearch({ search: ' ', to: '2026-12-31', from: '2026-12-01' }))).toBe(
    'from=2026-12-01&to=2027-01-01',
  )
})
