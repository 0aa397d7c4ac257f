import { describe, expect, it } from 'vitest'
import type { LedgerAccount } from '../../db/tables/credits.ts'
import { applyOperation, type Book, type Receipt } from './book.ts'
import { chainStart } from './chain.ts'
import type { Operation } from './operation.ts'
import { noBalances } from './replay.ts'

// What each operation decides, by example; `book.test.ts` shows what holds for all of them.

const organizationId = '0199c0de-0000-7000-8000-000000000001'
const reservationId = '0199c0de-0000-7000-8000-000000000101'
const noon = new Date('2026-11-21T12:00:00Z')
const later = (seconds: number) => new Date(noon.getTime() + seconds * 1000)

type Move = [debit: LedgerAccount, credit: LedgerAccount, amount: number]
type Asked = Operation extends infer One
  ? One extends Operation
    ? Omit<One, 'organizationId' | 'key'>
    : never
  : never

function bookWith(...operations: Asked[]): Book {
  const book: Book = {
    organizationId,
    balances: noBalances(),
    headSequence: 0,
    headHash: chainStart,
    changedAt: noon,
    known: new Map(),
    reservations: new Map(),
  }
  for (const [index, one] of operations.entries()) ask(book, one, `before-${index}`)
  return book
}

function ask(book: Book, operation: Asked, key = 'key', at = noon) {
  return applyOperation(book, { organizationId, key, ...operation } as Operation, at)
}

function receiptOf(book: Book, operation: Asked, key = 'key', at = noon): Receipt {
  const outcome = ask(book, operation, key, at)
  if (!outcome.done) throw new Error(`refused: ${outcome.refusal.code}`)
  return outcome.receipt
}

const movesOf = ({ transfers }: Receipt): Move[] =>
  transfers.map(({ debit, credit, amount }) => [debit, credit, amount])

const grant = (amount: number): Asked => ({ kind: 'grant', amount })
const reserve = (amount: number, atLeast = amount): Asked => ({
  kind: 'reserve',
  reservationId,
  purpose: 'model_call',
  amount,
  atLeast,
  expiresAt: later(60),
})
const settle = (amount: number, close = true): Asked => ({ kind: 'settle', reservationId, amount, close })
const expire: Asked = { kind: 'expire', reservationId, amount: 0 }

describe('an operation moves', () => {
  it.each<[string, Asked[], Asked, Move[]]>([
    ['a grant from what was granted', [], grant(10), [['granted', 'available', 10]]],
    [
      'a purchase from what was bought',
      [],
      { kind: 'purchase', amount: 10 },
      [['purchased', 'available', 10]],
    ],
    ['nothing for nothing', [], grant(0), []],
    [
      'a refund from what is there',
      [grant(10)],
      { kind: 'refund', amount: 4 },
      [['available', 'refunded', 4]],
    ],
    [
      'a refund of spent credits to what is written off',
      [grant(10)],
      { kind: 'refund', amount: 15 },
      [
        ['available', 'refunded', 10],
        ['written_off', 'refunded', 5],
      ],
    ],
    ['a freeze of what is there', [grant(10)], { kind: 'freeze', amount: 25 }, [['available', 'frozen', 10]]],
    [
      'what was frozen back',
      [grant(10), { kind: 'freeze', amount: 6 }],
      { kind: 'unfreeze', amount: 6 },
      [['frozen', 'available', 6]],
    ],
    [
      'a lost dispute from what was frozen, what is there and what is written off, in this order',
      [grant(10), { kind: 'freeze', amount: 6 }],
      { kind: 'forfeit', amount: 15, frozen: 6 },
      [
        ['frozen', 'refunded', 6],
        ['available', 'refunded', 4],
        ['written_off', 'refunded', 5],
      ],
    ],
    ['a reservation from what is there', [grant(10)], reserve(7), [['available', 'reserved', 7]]],
    ['a smaller one where that is enough', [grant(10)], reserve(25, 10), [['available', 'reserved', 10]]],
    [
      'less than was held, and gives back the rest',
      [grant(10), reserve(7)],
      settle(3),
      [
        ['reserved', 'spent', 3],
        ['reserved', 'available', 4],
      ],
    ],
    [
      'less than was held, and keeps the rest held',
      [grant(10), reserve(7)],
      settle(3, false),
      [['reserved', 'spent', 3]],
    ],
    [
      'more than was held from what is there and what is written off, in this order',
      [grant(10), reserve(7)],
      settle(12),
      [
        ['reserved', 'spent', 7],
        ['available', 'spent', 3],
        ['written_off', 'spent', 2],
      ],
    ],
    ['what nothing was held for', [grant(10)], settle(3), [['available', 'spent', 3]]],
    ['nothing of a reservation whose time has not come', [grant(10), reserve(7)], expire, []],
  ])('%s', (_, before, operation, moves) => {
    expect(movesOf(receiptOf(bookWith(...before), operation))).toEqual(moves)
  })

  it('what is held back once its time has come, and not a second time', () => {
    const book = bookWith(grant(10), reserve(7))
    expect(movesOf(receiptOf(book, expire, 'first', later(60)))).toEqual([['reserved', 'available', 7]])
    expect(book.reservations.get(reservationId)).toMatchObject({ held: 0, closed_at: later(60) })
    expect(movesOf(receiptOf(book, expire, 'second', later(61)))).toEqual([])
  })

  it('says what is available and reserved now', () => {
    expect(receiptOf(bookWith(grant(10)), reserve(7))).toMatchObject({
      available: 3,
      reserved: 7,
      replayed: false,
    })
  })
})

describe('an operation is refused, and changes nothing,', () => {
  it.each<[string, Asked[], Asked, { code: string; available: number }]>([
    [
      'that reserves more than there is',
      [grant(10)],
      reserve(11),
      { code: 'credits_insufficient', available: 10 },
    ],
    [
      'that needs more than there is',
      [grant(10)],
      reserve(25, 11),
      { code: 'credits_insufficient', available: 10 },
    ],
    [
      'that thaws more than is frozen',
      [grant(10), { kind: 'freeze', amount: 6 }],
      { kind: 'unfreeze', amount: 7 },
      { code: 'not_frozen', available: 6 },
    ],
    [
      'that takes more of what is frozen than is frozen',
      [grant(10), { kind: 'freeze', amount: 6 }],
      { kind: 'forfeit', amount: 9, frozen: 7 },
      { code: 'not_frozen', available: 6 },
    ],
    [
      'that takes more of what is frozen than was lost',
      [grant(10), { kind: 'freeze', amount: 6 }],
      { kind: 'forfeit', amount: 3, frozen: 5 },
      { code: 'not_frozen', available: 6 },
    ],
  ])('%s', (_, before, operation, refusal) => {
    const book = bookWith(...before)
    const balances = { ...book.balances }
    expect(ask(book, operation)).toEqual({ done: false, refusal })
    expect(book.balances).toEqual(balances)
    expect(book.headSequence).toBe(before.length)
  })
})

describe('a key', () => {
  it('that is used again for the same gives what came of it then', () => {
    const book = bookWith()
    const first = receiptOf(book, grant(10))
    expect(receiptOf(book, grant(10), 'key', later(5))).toEqual({ ...first, replayed: true })
    expect(book.balances.available).toBe(10)
  })

  it('that is used again for something else is refused', () => {
    const book = bookWith(grant(10))
    receiptOf(book, grant(1))
    expect(ask(book, grant(2))).toEqual({ done: false, refusal: { code: 'key_reused', available: 11 } })
  })
})

describe('a reservation', () => {
  it('that is prolonged holds both amounts until the later time', () => {
    const book = bookWith(grant(10), reserve(3))
    receiptOf(book, { ...reserve(4), expiresAt: later(120) } as Asked, 'more', later(30))
    expect(book.reservations.get(reservationId)).toMatchObject({
      held: 7,
      settled: 0,
      created_at: noon,
      expires_at: later(120),
      closed_at: null,
    })
  })

  it('that is closed holds nothing of what it did not take', () => {
    const book = bookWith(grant(10), reserve(7))
    receiptOf(book, settle(3))
    expect(book.reservations.get(reservationId)).toMatchObject({ held: 0, settled: 3, closed_at: noon })
  })

  it('goes on after a settlement that does not close it, and adds up what was settled', () => {
    const book = bookWith(grant(20), reserve(10))
    receiptOf(book, settle(3, false), 'one')
    expect(book.reservations.get(reservationId)).toMatchObject({ held: 7, settled: 3, closed_at: null })
    receiptOf(book, settle(9), 'two', later(5))
    expect(book.reservations.get(reservationId)).toMatchObject({ held: 0, settled: 12, closed_at: later(5) })
    // What comes late is charged, and says nothing new of when it ended.
    receiptOf(book, settle(1), 'three', later(9))
    expect(book.reservations.get(reservationId)).toMatchObject({ held: 0, settled: 13, closed_at: later(5) })
    expect(book.balances).toMatchObject({ available: 7, reserved: 0, spent: 13, written_off: 0 })
  })
})

describe('an amount', () => {
  it.each<[string, Asked]>([
    ['below zero', grant(-1)],
    ['that is not whole', grant(0.5)],
    ['beyond what can be counted exactly', grant(2 ** 53)],
    ['below zero that must be there', reserve(1, -1)],
    ['below zero of what is frozen', { kind: 'forfeit', amount: 1, frozen: -1 }],
  ])('%s is a fault of the program', (_, operation) => {
    expect(() => ask(bookWith(), operation)).toThrow(RangeError)
  })

  it('that would make a balance inexact is refused before it is made', () => {
    const book = bookWith(grant(Number.MAX_SAFE_INTEGER))
    expect(() => ask(book, grant(1))).toThrow(/counted exactly/)
  })
})
