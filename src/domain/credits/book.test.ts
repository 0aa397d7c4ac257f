import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { LedgerAccount } from '../../db/tables/credits.ts'
import { applyOperation, type Book, type Outcome } from './book.ts'
import { chainStart } from './chain.ts'
import type { Operation } from './operation.ts'
import { createReplay, noBalances } from './replay.ts'

const organizationId = '0199c0de-0000-7000-8000-000000000001'
const start = new Date('2026-11-21T12:00:00Z')

function emptyBook(): Book {
  return {
    organizationId,
    balances: noBalances(),
    headSequence: 0,
    headHash: chainStart,
    changedAt: start,
    known: new Map(),
    reservations: new Map(),
  }
}

const amount = fc.oneof(fc.integer({ min: 0, max: 1_000 }), fc.integer({ min: 0, max: 1_000_000_000_000 }))
const reservationId = fc
  .integer({ min: 0, max: 5 })
  .map((number) => `0199c0de-0000-7000-8000-00000000010${number}`)
/** Few keys, so that they are used again, for the same and for something else. */
const common = fc.record({
  organizationId: fc.constant(organizationId),
  key: fc.integer({ min: 0, max: 400 }).map((number) => `key-${number}`),
})
const operation: fc.Arbitrary<Operation> = fc
  .tuple(
    common,
    fc.oneof(
      fc.record({
        kind: fc.constantFrom('grant' as const, 'purchase' as const, 'refund' as const),
        amount,
      }),
      fc.record({ kind: fc.constantFrom('freeze' as const, 'unfreeze' as const), amount }),
      fc.record({ kind: fc.constant('forfeit' as const), amount, frozen: amount }),
      fc.record({
        kind: fc.constant('reserve' as const),
        reservationId,
        purpose: fc.constantFrom('model_call' as const, 'runtime' as const),
        amount,
        atLeast: amount,
        expiresAt: fc.integer({ min: 0, max: 3_000 }).map((ms) => new Date(start.getTime() + ms)),
      }),
      fc.record({ kind: fc.constant('settle' as const), reservationId, amount, close: fc.boolean() }),
      fc.record({ kind: fc.constant('expire' as const), reservationId, amount: fc.constant(0 as const) }),
    ),
  )
  .map(([one, what]) => ({ ...one, ...what }))

type State = Pick<Book, 'balances' | 'headSequence' | 'reservations'>

const stateOf = ({ balances, headSequence, reservations }: State): State => ({
  balances: { ...balances },
  headSequence,
  // The reservations themselves are replaced and never changed.
  reservations: new Map(reservations),
})

/** Does them one after another, a millisecond apart, and hands each outcome with the book as it was before. */
function run(
  operations: Operation[],
  check: (step: { operation: Operation; outcome: Outcome; before: State; book: Book }) => void,
): Book {
  const book = emptyBook()
  for (const [index, one] of operations.entries()) {
    const before = stateOf(book)
    const outcome = applyOperation(book, one, new Date(start.getTime() + index))
    check({ operation: one, outcome, before, book })
  }
  return book
}

const sum = (book: Book, accounts: LedgerAccount[]) =>
  accounts.reduce((total, account) => total + book.balances[account], 0)

/** REEF_PROPERTY_RUNS raises it. */
const numRuns = Number(process.env.REEF_PROPERTY_RUNS ?? 200)
const given = (check: (operations: Operation[]) => void) =>
  fc.assert(fc.property(fc.array(operation, { maxLength: 300 }), check), { numRuns })

describe('the pure ledger, whatever is asked of it', () => {
  it('has as many credits as came in, and less than none of nothing', () => {
    given((operations) => {
      run(operations, ({ book }) => {
        expect(sum(book, ['granted', 'purchased', 'written_off'])).toBe(
          sum(book, ['available', 'reserved', 'spent', 'frozen', 'refunded']),
        )
        for (const balance of Object.values(book.balances)) expect(balance).toBeGreaterThanOrEqual(0)
      })
    })
  })

  it('holds exactly what its reservations hold', () => {
    given((operations) => {
      run(operations, ({ book }) => {
        const held = [...book.reservations.values()].map((reservation) => reservation.held)
        expect(held.every((one) => one >= 0)).toBe(true)
        expect(held.reduce((total, one) => total + one, 0)).toBe(book.balances.reserved)
      })
    })
  })

  it('comes to the same balances when its transfers are done again, in one unbroken chain', () => {
    given((operations) => {
      const replay = createReplay()
      const book = run(operations, ({ outcome }) => {
        if (!outcome.done || outcome.receipt.replayed) return
        for (const transfer of outcome.receipt.transfers) expect(replay.next(transfer)).toEqual([])
      })
      expect(replay.balances).toEqual(book.balances)
      expect(replay.sequence).toBe(book.headSequence)
      expect(replay.hash.equals(book.headHash)).toBe(true)
    })
  })

  it('changes nothing when it refuses or has done it before, and then answers what it answered then', () => {
    given((operations) => {
      const first = new Map<string, Outcome>()
      run(operations, ({ operation: one, outcome, before, book }) => {
        const seen = first.get(one.key)
        if (!outcome.done || outcome.receipt.replayed) expect(stateOf(book)).toEqual(before)
        if (outcome.done && outcome.receipt.replayed)
          expect(outcome.receipt.transfers).toEqual(seen?.done ? seen.receipt.transfers : undefined)
        if (outcome.done && outcome.receipt.transfers.length > 0 && !seen) first.set(one.key, outcome)
      })
      for (const outcome of first.values()) expect(outcome.done).toBe(true)
    })
  })

  it('writes off only what is not there, and never reserves it', () => {
    given((operations) => {
      run(operations, ({ operation: one, outcome, before, book }) => {
        const written = book.balances.written_off - before.balances.written_off
        if (written > 0) {
          expect(['settle', 'refund', 'forfeit']).toContain(one.kind)
          expect(book.balances.available).toBe(0)
        }
        if (one.kind === 'reserve' && outcome.done && !outcome.receipt.replayed)
          expect(book.balances.reserved - before.balances.reserved).toBe(
            Math.min(one.amount, before.balances.available),
          )
      })
    })
  })
})

describe('an amount', () => {
  it.each([-1, 0.5, Number.NaN, 2 ** 53])('of %j is an error of the caller', (wrong) => {
    expect(() =>
      applyOperation(emptyBook(), { kind: 'grant', organizationId, key: 'k', amount: wrong }, start),
    ).toThrow(RangeError)
  })

  it('that would pass what can be counted exactly is refused whole', () => {
    const book = emptyBook()
    const grant = (key: string, micros: number) =>
      applyOperation(book, { kind: 'grant', organizationId, key, amount: micros }, start)
    grant('a', Number.MAX_SAFE_INTEGER)
    expect(() => grant('b', 1)).toThrow(/counted exactly/)
  })
})
