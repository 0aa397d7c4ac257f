import { sql } from 'kysely'
import type { Trx } from '../../db/database.ts'
import { notify } from '../../db/notify.ts'
import type { LedgerAccount, LedgerOperation } from '../../db/tables/credits.ts'
import { applyOperation, type Book, type Outcome, type Reservation, type Transfer } from './book.ts'
import type { Operation } from './operation.ts'

/**
 * Does operations of any number of organizations in the caller's transaction, in their order, and answers each. Takes the
 * organizations' books in the order of their ids, so that no two callers wait for each other in a circle; a caller that
 * locks rows of its own does so before. Whatever is answered counts only once the transaction has committed.
 *
 * `fresh` says that nobody can have used the keys and reservations before: nothing is looked up by them, and should one have
 * been used after all, the database refuses the transaction.
 */
export async function applyOperations(
  trx: Trx,
  operations: readonly Operation[],
  { fresh = false } = {},
): Promise<Outcome[]> {
  if (operations.length === 0) return []
  const { books, times } = await lockBooks(trx, operations)
  if (!fresh) await findEarlier(trx, operations, books)
  const heads = new Map([...books].map(([id, book]) => [id, book.headSequence]))
  const outcomes = operations.map((operation) =>
    // `lockBooks` has one of both for each organization.
    applyOperation(
      books.get(operation.organizationId) as Book,
      operation,
      times.get(operation.organizationId) as Date,
    ),
  )
  const changed = [...books.values()].filter((book) => book.headSequence !== heads.get(book.organizationId))
  const transfers = outcomes.flatMap((outcome) =>
    outcome.done && !outcome.receipt.replayed ? outcome.receipt.transfers : [],
  )
  const reservations = changedReservations(operations, outcomes, books)
  if (transfers.length > 0 || reservations.length > 0)
    await write(trx, { transfers, books: changed, reservations })
  await hint(trx, transfers)
  return outcomes
}

/** Whoever waits for credits is told that they came or went other than by use, which would be too often. */
async function hint(trx: Trx, transfers: Transfer[]): Promise<void> {
  const byUse: ReadonlySet<LedgerOperation> = new Set(['reserve', 'settle', 'expire'])
  const changed = transfers.filter(({ operation }) => !byUse.has(operation))
  for (const organizationId of new Set(changed.map((transfer) => transfer.organization_id)))
    await notify(trx, 'credits_changed', organizationId)
}

async function lockBooks(
  trx: Trx,
  operations: readonly Operation[],
): Promise<{ books: Map<string, Book>; times: Map<string, Date> }> {
  const ids = [...new Set(operations.map(({ organizationId }) => organizationId))].sort()
  let rows = await selectBooks(trx, ids)
  if (rows.length < ids.length) {
    await sql`insert into ledger_books (organization_id) select unnest(${ids}::uuid[]) on conflict do nothing`.execute(
      trx,
    )
    rows = await selectBooks(trx, ids)
  }
  return {
    books: new Map(rows.map((row) => [row.organization_id, bookOf(row)])),
    times: new Map(rows.map((row) => [row.organization_id, row.now])),
  }
}

/** What was done by these keys before and what these reservations hold, once the books are locked: it changes with them. */
async function findEarlier(
  trx: Trx,
  operations: readonly Operation[],
  books: Map<string, Book>,
): Promise<void> {
  for (const transfer of await findTransfers(trx, operations)) {
    const known = (books.get(transfer.organization_id) as Book).known
    known.set(transfer.key, [...(known.get(transfer.key) ?? []), transfer])
  }
  for (const reservation of await findReservations(trx, operations))
    books.get(reservation.organization_id)?.reservations.set(reservation.id, reservation)
}

type BookRow = { [account in LedgerAccount]: number } & {
  organization_id: string
  head_sequence: number
  head_hash: Buffer
  updated_at: Date
  now: Date
}

/** With the time for what is about to be done: never before what was done last, whatever the clocks of machines say. */
async function selectBooks(trx: Trx, ids: string[]): Promise<BookRow[]> {
  const { rows } = await sql<BookRow>`
    select *, date_trunc('milliseconds', greatest(clock_timestamp(), updated_at)) as now from ledger_books
    where organization_id = any(${ids}::uuid[]) order by organization_id for update`.execute(trx)
  return rows
}

function bookOf(row: BookRow): Book {
  const { granted, purchased, written_off, available, reserved, spent, frozen, refunded } = row
  return {
    organizationId: row.organization_id,
    balances: { granted, purchased, written_off, available, reserved, spent, frozen, refunded },
    headSequence: row.head_sequence,
    headHash: row.head_hash,
    changedAt: row.updated_at,
    known: new Map(),
    reservations: new Map(),
  }
}

async function findTransfers(trx: Trx, operations: readonly Operation[]): Promise<Transfer[]> {
  const { rows } = await sql<Transfer>`
    select transfers.* from ledger_transfers transfers
    join unnest(${operations.map((one) => one.organizationId)}::uuid[], ${operations.map((one) => one.key)}::text[])
      as used (organization_id, key) using (organization_id, key)
    order by transfers.organization_id, transfers.sequence`.execute(trx)
  // A key that is used twice at once finds its transfers twice.
  const seen = new Set<string>()
  return rows.filter(({ organization_id, sequence }) => {
    const place = `${organization_id} ${sequence}`
    return !seen.has(place) && seen.add(place)
  })
}

async function findReservations(trx: Trx, operations: readonly Operation[]): Promise<Reservation[]> {
  const ids = operations.flatMap((one) => ('reservationId' in one ? [one.reservationId] : []))
  if (ids.length === 0) return []
  const { rows } = await sql<Reservation>`
    select * from ledger_reservations where id = any(${ids}::uuid[])`.execute(trx)
  const owners = new Map(rows.map((row) => [row.id, row.organization_id]))
  for (const one of operations)
    if (
      'reservationId' in one &&
      (owners.get(one.reservationId) ?? one.organizationId) !== one.organizationId
    )
      throw new Error(`reservation ${one.reservationId} is another organization's`)
  return rows
}

function changedReservations(
  operations: readonly Operation[],
  outcomes: Outcome[],
  books: Map<string, Book>,
): Reservation[] {
  const changed = new Map<string, Reservation>()
  for (const [index, operation] of operations.entries()) {
    const outcome = outcomes[index]
    if (!('reservationId' in operation) || !outcome?.done || outcome.receipt.replayed) continue
    const reservation = books.get(operation.organizationId)?.reservations.get(operation.reservationId)
    if (reservation) changed.set(reservation.id, reservation)
  }
  return [...changed.values()]
}

/** One statement and three parameters, however many rows: its text stays the same and cheap to plan. */
async function write(
  trx: Trx,
  { transfers, books, reservations }: { transfers: Transfer[]; books: Book[]; reservations: Reservation[] },
): Promise<void> {
  const transferRows = transfers.map((transfer) => ({
    ...transfer,
    request_hash: bytea(transfer.request_hash),
    hash: bytea(transfer.hash),
  }))
  const bookRows = books.map((book) => ({
    organization_id: book.organizationId,
    ...book.balances,
    head_sequence: book.headSequence,
    head_hash: bytea(book.headHash),
    updated_at: book.changedAt,
  }))
  await sql`with
    added as (
      insert into ledger_transfers
      select * from json_populate_recordset(null::ledger_transfers, ${JSON.stringify(transferRows)}::json)
    ),
    moved as (
      update ledger_books as books set
        granted = changed.granted, purchased = changed.purchased, written_off = changed.written_off,
        available = changed.available, reserved = changed.reserved, spent = changed.spent, frozen = changed.frozen,
        refunded = changed.refunded, head_sequence = changed.head_sequence, head_hash = changed.head_hash,
        updated_at = changed.updated_at
      from json_populate_recordset(null::ledger_books, ${JSON.stringify(bookRows)}::json) as changed
      where books.organization_id = changed.organization_id
    )
    insert into ledger_reservations
    select * from json_populate_recordset(null::ledger_reservations, ${JSON.stringify(reservations)}::json)
    on conflict (id) do update set held = excluded.held, settled = excluded.settled,
      expires_at = excluded.expires_at, closed_at = excluded.closed_at`.execute(trx)
}

/** As PostgreSQL reads bytes from text. */
function bytea(bytes: Buffer): string {
  return `\\x${bytes.toString('hex')}`
}
