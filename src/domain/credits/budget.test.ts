import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Budget, BudgetBook, periodEnd, periodStart, thresholdOf } from './budget.ts'

const organizationId = '01990000-0000-7000-8000-000000000001'
const now = new Date('2026-03-31T22:30:00Z')

const budget = (values: Partial<Budget> = {}): Budget => ({
  id: 'b1',
  organization_id: organizationId,
  scope: 'organization',
  subject_id: null,
  period: 'day',
  limit_amount: 100,
  created_by: null,
  created_at: now,
  updated_at: now,
  ...values,
})
const bookOf = (...budgets: Budget[]) => new BudgetBook({ budgets, counters: [], entries: [], now })
const spending = (key: string, values: object = {}) => ({
  key,
  organizationId,
  userId: 'ada',
  instanceId: 'claw',
  agentId: null,
  ...values,
})
const plan = (key: string, amount: number, values: object = {}) => ({
  ...spending(key, values),
  amount,
  atLeast: amount,
})

describe('periods', () => {
  it('begin at midnight UTC, whatever the time zone here', () => {
    expect(periodStart('day', now).toISOString()).toBe('2026-03-31T00:00:00.000Z')
    expect(periodStart('month', now).toISOString()).toBe('2026-03-01T00:00:00.000Z')
    expect(periodEnd('day', periodStart('day', now)).toISOString()).toBe('2026-04-01T00:00:00.000Z')
    expect(periodEnd('month', new Date('2026-12-01T00:00:00Z')).toISOString()).toBe(
      '2027-01-01T00:00:00.000Z',
    )
  })
})

describe('a budget', () => {
  it('has room for what is left, and refuses what does not fit, holding nothing then', () => {
    const book = bookOf(budget())
    expect(book.hold(plan('a', 60))).toEqual({ refusal: null, amount: 60 })
    expect(book.hold(plan('b', 60)).refusal).toMatchObject({
      code: 'budget_exhausted',
      remaining: 40,
      until: new Date('2026-04-01T00:00:00Z'),
    })
    expect(book.hold({ ...plan('c', 60), atLeast: 10 })).toEqual({ refusal: null, amount: 40 })
    expect(book.remainingOf(budget())).toBe(0)
  })

  it('gives back once what is held, and still counts what it came to', () => {
    const book = bookOf(budget())
    book.hold(plan('a', 60))
    for (let i = 0; i < 2; i++) book.release(spending('a'))
    expect(book.counterOf(budget(), now)).toMatchObject({ spent: 0, reserved: 0 })
    for (let i = 0; i < 2; i++) book.record({ ...spending('a'), amount: 25 })
    book.release(spending('a'))
    expect(book.counterOf(budget(), now)).toMatchObject({ spent: 25, reserved: 0 })
  })

  it('counts for whom it is and for nobody else', () => {
    const own = budget({ id: 'b2', scope: 'member', subject_id: 'ada', limit_amount: 10 })
    const book = bookOf(own)
    expect(book.hold(plan('a', 20)).refusal).not.toBeNull()
    expect(book.hold(plan('b', 20, { userId: 'bob' })).refusal).toBeNull()
    expect(book.hold(plan('c', 20, { organizationId: 'other' })).refusal).toBeNull()
    expect(book.remainingOf(own)).toBe(10)
  })

  it('of an agent counts for that agent', () => {
    const own = budget({ scope: 'agent', subject_id: 'crab', limit_amount: 10 })
    const book = bookOf(own)
    expect(book.hold(plan('a', 20)).refusal).toBeNull()
    expect(book.hold(plan('b', 20, { agentId: 'crab' })).refusal).toMatchObject({ scope: 'agent' })
  })

  it('has less left by what was spent', () => {
    const book = bookOf(budget())
    book.record({ ...spending('a'), amount: 30 })
    expect(book.remainingOf(budget())).toBe(70)
  })

  it('gives exactly the least that is asked for, and the same again to whoever asks again', () => {
    const book = bookOf(budget())
    const least = { ...plan('a', 200), atLeast: 100 }
    expect(book.hold(least)).toEqual({ refusal: null, amount: 100 })
    expect(book.hold(least)).toEqual({ refusal: null, amount: 100 })
    expect(book.remainingOf(budget())).toBe(0)
  })

  it('stands in the way with the tightest of several', () => {
    const book = bookOf(
      budget({ id: 'wide' }),
      budget({ id: 'narrow', scope: 'instance', subject_id: 'claw', limit_amount: 5 }),
    )
    expect(book.hold(plan('a', 50)).refusal).toMatchObject({ budgetId: 'narrow', scope: 'instance' })
    expect(book.remainingOf(budget({ id: 'wide' }))).toBe(100)
  })

  it('counts a key once, however often it is told', () => {
    const book = bookOf(budget())
    book.hold(plan('a', 60))
    expect(book.hold(plan('a', 60))).toEqual({ refusal: null, amount: 60 })
    for (let i = 0; i < 3; i++) book.record({ ...spending('a'), amount: 25 })
    expect(book.counterOf(budget(), now)).toMatchObject({ spent: 25, reserved: 0 })
  })

  it('counts in the period in which it was held, also when it ends after midnight', () => {
    const start = new Date('2026-03-30T00:00:00Z')
    const book = new BudgetBook({
      budgets: [budget()],
      counters: [
        {
          budget_id: 'b1',
          organization_id: organizationId,
          period_start: start,
          spent: 5,
          reserved: 40,
          alerted: 0,
        },
      ],
      entries: [
        {
          organization_id: organizationId,
          key: 'a',
          budget_id: 'b1',
          period_start: start,
          held: 40,
          spent: null,
          at: start,
        },
      ],
      now,
    })
    book.record({ ...spending('a'), amount: 30 })
    expect(book.counterOf(budget(), start)).toMatchObject({ spent: 35, reserved: 0 })
    expect(book.counterOf(budget(), now)).toMatchObject({ spent: 0, reserved: 0 })
  })

  it('reaches thresholds exactly', () => {
    expect([49, 50, 79, 80, 99, 100, 500].map((spent) => thresholdOf(spent, 100))).toEqual([
      0, 50, 50, 80, 80, 100, 100,
    ])
    // Where a product would pass 2^53.
    expect(thresholdOf(4_000_000_000_000_000, 8_000_000_000_000_001)).toBe(0)
  })
})

describe('whatever is held and recorded in whatever order', () => {
  const budgets = [
    budget({ id: 'organization', limit_amount: 500 }),
    budget({ id: 'ada', scope: 'member', subject_id: 'ada', limit_amount: 200 }),
    budget({ id: 'claw', scope: 'instance', subject_id: 'claw', period: 'month', limit_amount: 300 }),
  ]
  const step = fc.record({
    key: fc.integer({ min: 0, max: 15 }),
    userId: fc.constantFrom('ada', 'bob'),
    instanceId: fc.constantFrom('claw', 'paw'),
    amount: fc.integer({ min: 0, max: 120 }),
    atLeast: fc.integer({ min: 0, max: 120 }),
    part: fc.integer({ min: 0, max: 100 }),
    ends: fc.boolean(),
  })

  it('no limit is passed, and counters are the sums of what is known of each key', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const book = bookOf(...budgets)
        const model = new Map<
          string,
          { user: string; instance: string; held: number; spent: number | null }
        >()
        for (const { key: number, userId, instanceId, amount, atLeast, part, ends } of steps) {
          const key = `${userId} ${instanceId} ${number}`
          const known = model.get(key)
          if (ends) {
            if (!known) continue
            const spent = Math.floor((known.held * part) / 100)
            book.record({ ...spending(key, { userId, instanceId }), amount: spent })
            if (known.spent === null) Object.assign(known, { held: 0, spent })
          } else {
            const answer = book.hold({ ...spending(key, { userId, instanceId }), amount, atLeast })
            if (answer.refusal === null && !known)
              model.set(key, { user: userId, instance: instanceId, held: answer.amount, spent: null })
          }
        }
        for (const one of budgets) {
          const mine = [...model.values()].filter(
            (entry) =>
              one.scope === 'organization' ||
              one.subject_id === (one.scope === 'member' ? entry.user : entry.instance),
          )
          const counter = book.counterOf(one, now)
          expect(counter.reserved).toBe(mine.reduce((sum, entry) => sum + entry.held, 0))
          expect(counter.spent).toBe(mine.reduce((sum, entry) => sum + (entry.spent ?? 0), 0))
          expect(counter.spent + counter.reserved).toBeLessThanOrEqual(one.limit_amount)
        }
      }),
    )
  })
})
