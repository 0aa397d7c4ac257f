import type { Selectable } from 'kysely'
import type { LedgerAccount, LedgerReservationsTable, LedgerTransfersTable } from '../../db/tables/credits.ts'
import { hashTransfer } from './chain.ts'
import { type Operation, requestHash } from './operation.ts'

export type Transfer = Selectable<LedgerTransfersTable>
export type Reservation = Selectable<LedgerReservationsTable>

/** An organization's part of the ledger, as far as some operations need it. Changed in place by `applyOperation`. */
export interface Book {
  organizationId: string
  balances: Record<LedgerAccount, number>
  headSequence: number
  headHash: Buffer
  /** When its last transfer was made. */
  changedAt: Date
  /** Transfers of earlier operations by their key: of those keys that are about to be used. */
  known: Map<string, Transfer[]>
  /** Of those that are about to be used, closed ones included. */
  reservations: Map<string, Reservation>
}

export interface Receipt {
  /** In order; none when nothing had to move. */
  transfers: Transfer[]
  /** The operation had been done before, and this is what came of it then. */
  replayed: boolean
  /** What is available and reserved now. */
  available: number
  reserved: number
}

export interface LedgerRefusal {
  code: 'credits_insufficient' | 'key_reused' | 'not_frozen'
  /** What there is of what was asked for. */
  available: number
}

export type Outcome = { done: true; receipt: Receipt } | { done: false; refusal: LedgerRefusal }

/** A movement from one account to another; `debit` and `credit` as bookkeepers use the words. */
type Movement = readonly [debit: LedgerAccount, credit: LedgerAccount, amount: number]

/** Their balances grow with debits: they say how many credits came in this way. */
const sources: ReadonlySet<LedgerAccount> = new Set(['granted', 'purchased', 'written_off'])

/** Does one operation, or says why not. All or nothing: a refused one changes nothing. */
export function applyOperation(book: Book, operation: Operation, at: Date): Outcome {
  assertAmount(operation)
  const request = requestHash(operation)
  const known = book.known.get(operation.key)
  if (known) {
    if (!known[0]?.request_hash.equals(request)) return refuse(book, 'key_reused')
    return accept(book, known, true)
  }
  const movements = movementsOf(book, operation, at)
  if (!Array.isArray(movements)) return { done: false, refusal: movements }
  const transfers = movements
    .filter(([, , amount]) => amount > 0)
    .map((movement, leg) => post(book, operation, { movement, leg, request, at }))
  changeReservation(book, operation, transfers, at)
  if (transfers.length > 0) book.known.set(operation.key, transfers)
  return accept(book, transfers, false)
}

function assertAmount(operation: Operation): void {
  const amounts = [operation.amount]
  if (operation.kind === 'forfeit') amounts.push(operation.frozen)
  if (operation.kind === 'reserve') amounts.push(operation.atLeast)
  for (const amount of amounts)
    if (!Number.isSafeInteger(amount) || amount < 0)
      throw new RangeError(`${operation.kind} of ${amount}: amounts are whole micro-credits, zero or more`)
}

function movementsOf(book: Book, operation: Operation, at: Date): Movement[] | LedgerRefusal {
  const { available, frozen } = book.balances
  const { amount } = operation
  switch (operation.kind) {
    case 'grant':
      return [['granted', 'available', amount]]
    case 'purchase':
      return [['purchased', 'available', amount]]
    case 'refund':
      return takenBack(available, amount)
    case 'freeze':
      return [['available', 'frozen', Math.min(available, amount)]]
    case 'unfreeze':
      if (amount > frozen) return refusal('not_frozen', frozen)
      return [['frozen', 'available', amount]]
    case 'forfeit':
      if (operation.frozen > Math.min(frozen, amount)) return refusal('not_frozen', frozen)
      return [['frozen', 'refunded', operation.frozen], ...takenBack(available, amount - operation.frozen)]
    case 'reserve':
      if (available < Math.min(operation.atLeast, amount)) return refusal('credits_insufficient', available)
      return [['available', 'reserved', Math.min(available, amount)]]
    case 'settle':
      return settled(book, operation)
    case 'expire': {
      const reservation = book.reservations.get(operation.reservationId)
      return isExpired(reservation, at) ? [['reserved', 'available', reservation.held]] : []
    }
  }
}

function takenBack(available: number, amount: number): Movement[] {
  const there = Math.min(available, amount)
  return [
    ['available', 'refunded', there],
    ['written_off', 'refunded', amount - there],
  ]
}

function settled(book: Book, operation: Extract<Operation, { kind: 'settle' }>): Movement[] {
  const held = book.reservations.get(operation.reservationId)?.held ?? 0
  const fromHeld = Math.min(held, operation.amount)
  const fromAvailable = Math.min(book.balances.available, operation.amount - fromHeld)
  return [
    ['reserved', 'spent', fromHeld],
    ['available', 'spent', fromAvailable],
    ['written_off', 'spent', operation.amount - fromHeld - fromAvailable],
    ['reserved', 'available', operation.close ? held - fromHeld : 0],
  ]
}

function isExpired(reservation: Reservation | undefined, at: Date): reservation is Reservation {
  return reservation !== undefined && reservation.closed_at === null && reservation.expires_at <= at
}

interface Posting {
  movement: Movement
  leg: number
  request: Buffer
  at: Date
}

function post(book: Book, operation: Operation, { movement, leg, request, at }: Posting): Transfer {
  const [debit, credit, amount] = movement
  const unhashed = {
    organization_id: book.organizationId,
    sequence: book.headSequence + 1,
    at,
    key: operation.key,
    leg,
    request_hash: request,
    operation: operation.kind,
    debit,
    credit,
    amount,
    reservation_id: 'reservationId' in operation ? operation.reservationId : null,
    reference: operation.reference ?? null,
    note: operation.note ?? null,
    actor_user_id: operation.actorUserId ?? null,
  }
  const transfer = { ...unhashed, hash: hashTransfer(book.headHash, unhashed) }
  book.headSequence = transfer.sequence
  book.headHash = transfer.hash
  book.changedAt = at
  move(book.balances, transfer)
  return transfer
}

/** What a transfer does to the balances, whoever keeps them. */
export function move(
  balances: Book['balances'],
  { debit, credit, amount }: Pick<Transfer, 'debit' | 'credit' | 'amount'>,
): void {
  balances[debit] += sources.has(debit) ? amount : -amount
  balances[credit] += sources.has(credit) ? -amount : amount
  if (!Number.isSafeInteger(balances[debit]) || !Number.isSafeInteger(balances[credit]))
    throw new RangeError(`${debit} or ${credit} would pass what can be counted exactly`)
}

function changeReservation(book: Book, operation: Operation, transfers: Transfer[], at: Date): void {
  if (!('reservationId' in operation)) return
  const id = operation.reservationId
  const before = book.reservations.get(id)
  if (operation.kind === 'expire') {
    if (isExpired(before, at)) book.reservations.set(id, { ...before, held: 0, closed_at: at })
    return
  }
  const sum = (debit: LedgerAccount, credit: LedgerAccount): number =>
    transfers.reduce(
      (total, one) => (one.debit === debit && one.credit === credit ? total + one.amount : total),
      0,
    )
  if (operation.kind === 'reserve')
    book.reservations.set(id, {
      id,
      organization_id: book.organizationId,
      purpose: operation.purpose,
      held: (before?.held ?? 0) + sum('available', 'reserved'),
      settled: before?.settled ?? 0,
      expires_at: operation.expiresAt,
      created_at: before?.created_at ?? at,
      closed_at: null,
    })
  else if (before)
    book.reservations.set(id, {
      ...before,
      held: before.held - sum('reserved', 'spent') - sum('reserved', 'available'),
      settled: before.settled + operation.amount,
      closed_at: operation.close ? (before.closed_at ?? at) : before.closed_at,
    })
}

function accept(book: Book, transfers: Transfer[], replayed: boolean): Outcome {
  const { available, reserved } = book.balances
  return { done: true, receipt: { transfers, replayed, available, reserved } }
}

function refuse(book: Book, code: LedgerRefusal['code']): Outcome {
  return { done: false, refusal: refusal(code, book.balances.available) }
}

function refusal(code: LedgerRefusal['code'], available: number): LedgerRefusal {
  return { code, available }
}
