import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { holdsInstance } from './budgets.ts'
import { type BudgetedInstance, type BudgetLeft, nextBudgetLook, shareBudgets } from './runtime-budgets.ts'
import type { RuntimeTimes } from './runtime-charge.ts'

const times: RuntimeTimes = {
  windowSeconds: 300,
  sleepSeconds: 3600,
  leaseSeconds: 900,
  drainSeconds: 45,
  firstSeconds: 60,
}
/** What a second of running costs. */
const second = 1_000
const now = 1_700_000_000_000

const instance = (id: string, more: Partial<BudgetedInstance> = {}): BudgetedInstance => ({
  id,
  ownerUserId: `owner of ${id}`,
  burn: { perHour: 3600 * second, drain: 45 * second, pending: 0, runs: true },
  goesOn: true,
  ...more,
})
const whole = (left: number): BudgetLeft => ({ scope: 'organization', subjectId: null, left })
const own = (id: string, left: number): BudgetLeft => ({ scope: 'instance', subjectId: id, left })
const shareOne = (left: number, more: Partial<BudgetedInstance> = {}) => {
  const shares = shareBudgets([whole(left)], [instance('a', more)], times)
  return { share: shares.get('a'), look: nextBudgetLook(shares, [instance('a', more)], now) }
}

describe('what budgets let run', () => {
  it('is a window, the lease and the end with plenty, and a tenth of what is left with less', () => {
    const plenty = shareOne(1e9)
    expect(plenty.share).toMatchObject({ amount: 1245 * second, coverSeconds: 1200, isSpent: false })
    expect(plenty.look).toBe(now + 60_000)
    expect(shareOne(2_000 * second).share).toMatchObject({ amount: (200 + 45) * second, left: 1755 * second })
    expect(shareOne(300 * second).share).toMatchObject({ amount: (60 + 45) * second, isShort: false })
  })

  it('is cut exactly when what is left is used up, with the end held', () => {
    const last = shareOne(55 * second)
    expect(last.share).toMatchObject({ amount: 55 * second, coverSeconds: 10, isShort: true, left: 0 })
    expect(last.look).toBe(now + 10_000)
    const spent = shareOne(45 * second)
    expect(spent.share).toMatchObject({ amount: 45 * second, isSpent: true })
    expect(spent.look).toBe(now + 5_000)
    const ending = shareOne(45 * second, { goesOn: false })
    expect(ending.share).toMatchObject({ amount: 45 * second, isSpent: false })
    expect(ending.look).toBeNull()
  })

  it('counts what may have been served and was not reported yet as spent', () => {
    const burn = { perHour: 3600 * second, drain: 45 * second, pending: 10 * second, runs: true }
    expect(shareOne(55 * second, { burn }).share).toMatchObject({ isSpent: true, amount: 55 * second })
  })

  it('is the same time for all of one budget, and never more than all of it together', () => {
    const instances = ['a', 'b', 'c'].map((id) => instance(id))
    const shares = shareBudgets([whole(165 * second)], instances, times)
    expect(instances.map(({ id }) => shares.get(id)?.coverSeconds)).toEqual([10, 10, 10])
    const total = instances.reduce((sum, { id }) => sum + (shares.get(id)?.amount ?? 0), 0)
    expect(total).toBeLessThanOrEqual(165 * second)
    expect(shares.get('a')?.left).toBe(165 * second - total)
  })

  it('is the least of all budgets that concern it, and nothing of those of others', () => {
    const instances = [instance('a'), instance('b')]
    const shares = shareBudgets([whole(1e9), own('a', 55 * second)], instances, times)
    expect(shares.get('a')).toMatchObject({ coverSeconds: 10, isShort: true, left: 0 })
    expect(shares.get('b')).toMatchObject({ coverSeconds: 1200, isShort: false })
    const others = shareBudgets([own('b', 0)], instances, times)
    expect(others.get('a')).toMatchObject({ amount: 0, isSpent: false })
    expect(others.get('b')).toMatchObject({ isSpent: true })
    expect(nextBudgetLook(shareBudgets([], instances, times), instances, now)).toBeNull()
  })

  it('stops what costs nothing too once nothing at all is left, and not before', () => {
    const burn = { perHour: 0, drain: 0, pending: 0, runs: true }
    expect(shareOne(1, { burn }).share).toMatchObject({ amount: 0, isSpent: false })
    expect(shareOne(0, { burn }).share).toMatchObject({ isSpent: true })
  })

  it('is never more than any budget has, but for what ending takes', () => {
    const ids = ['a', 'b', 'c', 'd']
    const someone = fc.record({
      id: fc.constantFrom(...ids),
      ownerUserId: fc.constantFrom('one', 'other'),
      goesOn: fc.boolean(),
      burn: fc.record({
        perHour: fc.nat(10_000_000),
        drain: fc.nat(100_000),
        pending: fc.nat(100_000),
        runs: fc.boolean(),
      }),
    })
    const budget = fc.oneof(
      fc.record({ scope: fc.constant('organization' as const), subjectId: fc.constant(null) }),
      fc.record({ scope: fc.constant('member' as const), subjectId: fc.constantFrom('one', 'other') }),
      fc.record({ scope: fc.constant('instance' as const), subjectId: fc.constantFrom(...ids) }),
    )
    const budgets = fc.array(
      fc.tuple(budget, fc.integer({ min: -1_000, max: 20_000_000 })).map(([one, left]) => ({ ...one, left })),
    )
    fc.assert(
      fc.property(budgets, fc.uniqueArray(someone, { selector: ({ id }) => id }), (all, instances) => {
        const shares = shareBudgets(all, instances, times)
        for (const one of all) {
          const concerned = instances.filter((candidate) => holdsInstance(one, candidate))
          const total = (read: (of: BudgetedInstance) => number) =>
            concerned.reduce((sum, candidate) => sum + read(candidate), 0)
          const held = total(({ id }) => shares.get(id)?.amount ?? 0)
          expect(held).toBeLessThanOrEqual(
            Math.max(
              one.left,
              total(({ burn }) => burn.drain + burn.pending),
            ),
          )
        }
      }),
    )
  })
})
