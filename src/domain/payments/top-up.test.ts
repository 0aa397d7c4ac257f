import { describe, expect, it } from 'vitest'
import { type AutoTopUpRow, afterFailure, decideTopUp, reasonToDrop, type TopUpSituation } from './top-up.ts'

const now = new Date('2030-01-15T12:00:00Z')
const settings = (more: Partial<AutoTopUpRow> = {}): AutoTopUpRow => ({
  organization_id: 'o1',
  enabled: true,
  threshold: 100,
  pack: '1000',
  monthly_limit_cents: 5_000,
  failures: 0,
  due_at: now,
  problem: null,
  updated_by: null,
  updated_at: now,
  ...more,
})
const situation = (more: Partial<TopUpSituation> = {}): TopUpSituation => ({
  settings: settings(),
  available: 99,
  card: { id: 'pm_1' },
  pack: { priceCents: 1_000, creditsMicros: 1_000 },
  currency: 'usd',
  pending: false,
  monthCents: 0,
  dayCount: 0,
  disputed: false,
  now,
  ...more,
})
const decideWith = (more: Partial<TopUpSituation> = {}) => decideTopUp(situation(more))

describe('auto top-up', () => {
  it('charges below the threshold', () => {
    expect(decideWith()).toEqual({ kind: 'charge', cardId: 'pm_1' })
    expect(decideWith({ available: 100 })).toEqual({ kind: 'wait' })
  })

  it.each([
    ['it is off', { settings: settings({ enabled: false }) }],
    ['one is under way', { pending: true }],
    ['it is too soon', { settings: settings({ due_at: new Date(now.getTime() + 1) }) }],
  ])('waits while %s', (_why, more) => {
    expect(decideWith(more)).toEqual({ kind: 'wait' })
  })

  it('keeps to the monthly limit exactly', () => {
    expect(decideWith({ monthCents: 4_000 }).kind).toBe('charge')
    expect(decideWith({ monthCents: 4_001 }).kind).toBe('blocked')
  })

  it('stops at so many a day, and while a payment is disputed', () => {
    expect(decideWith({ dayCount: 10 }).kind).toBe('blocked')
    expect(decideWith({ disputed: true }).kind).toBe('blocked')
  })

  it('is switched off without a card, and when its pack is no longer sold', () => {
    expect(decideWith({ card: null }).kind).toBe('switchOff')
    expect(decideWith({ pack: undefined }).kind).toBe('switchOff')
  })

  describe('ordered earlier and not charged yet', () => {
    const reasonWith = (more: Partial<TopUpSituation>) =>
      reasonToDrop(situation(more), { pack: '1000', cardId: 'pm_1' })

    it('goes on while the same would be ordered now, whatever its own pause', () => {
      expect(reasonWith({ settings: settings({ due_at: new Date(now.getTime() + 60_000) }) })).toBeNull()
    })

    it.each([
      ['it was switched off', { settings: settings({ enabled: false }) }, 'switched off'],
      ['it is not low any more', { available: 100 }, 'enough credits again'],
      ['another card was saved', { card: { id: 'pm_2' } }, 'Another card or pack'],
      ['another pack was chosen', { settings: settings({ pack: '500' }) }, 'Another card or pack'],
      ['the card is gone', { card: null }, 'no card is saved'],
      ['a payment is disputed', { disputed: true }, 'disputed'],
      ['the monthly limit was lowered', { settings: settings({ monthly_limit_cents: 999 }) }, 'limit'],
    ])('is dropped in words when %s', (_why, more, words) => {
      expect(reasonWith(more)).toContain(words)
    })
  })

  it('pauses longer after each decline, and is off after the third', () => {
    const declined = { code: 'generic_decline', message: 'Your card was declined.' }
    const hours = (failures: number) =>
      (afterFailure(failures, declined, now).dueAt.getTime() - now.getTime()) / 3_600_000
    expect([hours(0), hours(1)]).toEqual([1, 6])
    expect([0, 1, 2].map((failures) => afterFailure(failures, declined, now).enabled)).toEqual([
      true,
      true,
      false,
    ])
  })

  it.each(['authentication_required', 'stolen_card', 'expired_card', 'payment_method_missing'])(
    'is off at once after %s, which only the owner can change',
    (code) => {
      expect(afterFailure(0, { code, message: 'No.' }, now)).toMatchObject({ enabled: false, failures: 1 })
    },
  )
})
