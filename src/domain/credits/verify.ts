import { sql } from 'kysely'
import type { Database } from '../../db/database.ts'
import type { LedgerAccount } from '../../db/tables/credits.ts'
import type { FoundAnchor } from './anchors.ts'
import type { Transfer } from './book.ts'
import { createReplay, missing, noBalances, type Replay } from './replay.ts'

export type LedgerProblemKind =
  /** A transfer was changed, removed, moved or slipped in. */
  | 'chain'
  /** A book is not what its transfers come to. */
  | 'book'
  | 'reservation'
  /** The accounts of the whole Reef do not balance. */
  | 'totals'
  /** What lies outside of the database says something else, or is gone. */
  | 'anchor'

export interface LedgerProblem {
  kind: LedgerProblemKind
  organizationId: string | null
  /** The place in the organization's chain, where there is one. */
  sequence: number | null
  message: string
}

export interface LedgerReport {
  ok: boolean
  startedAt: Date
  seconds: number
  organizations: number
  transfers: number
  anchors: number
  /** What the accounts of all organizations come to, in micro-credits. */
  totals: Record<LedgerAccount, number>
  /** The first of them. */
  problems: LedgerProblem[]
  /** All of them. */
  problemsCount: number
}

export interface VerifyDeps {
  database: Database
  /** All that there are, in order; read to their end. */
  anchors(): AsyncIterable<FoundAnchor>
}

const problemsMax = 100
const booksPageSize = 200
const transfersPageSize = 2_000

/**
 * Does every transfer of every organization again and compares: hashes, gaps, balances, reservations, totals, and the
 * heads that were anchored outside of the database. Holds one page in memory, and no transaction longer than a page. What
 * is written meanwhile is left for the next time. Throws only when it cannot look.
 */
export async function verifyLedger({ database, anchors }: VerifyDeps): Promise<LedgerReport> {
  const startedAt = new Date()
  const begun = performance.now()
  const report: LedgerReport = {
    ok: true,
    startedAt,
    seconds: 0,
    organizations: 0,
    transfers: 0,
    anchors: 0,
    totals: noBalances(),
    problems: [],
    problemsCount: 0,
  }
  const found = (problem: LedgerProblem): void => {
    report.ok = false
    report.problemsCount += 1
    if (report.problems.length < problemsMax) report.problems.push(problem)
  }
  for await (const organizationId of organizationsWithBooks(database)) {
    const replay = await verifyBook(database, organizationId, found)
    report.organizations += 1
    report.transfers += replay.sequence
    for (const account of accounts) report.totals[account] += replay.balances[account]
  }
  await findChainsWithoutBook(database, found)
  await verifyReservations(database, found)
  await verifyTotals(database, found)
  for await (const anchor of anchors()) {
    report.anchors += 1
    await verifyAnchor(database, anchor, found)
  }
  report.seconds = (performance.now() - begun) / 1000
  return report
}

// The keys of an object of ours are its properties.
const accounts = Object.keys(noBalances()) as LedgerAccount[]

type Found = (problem: LedgerProblem) => void

async function* organizationsWithBooks(database: Database): AsyncIterable<string> {
  for (let after = '00000000-0000-0000-0000-000000000000'; ; ) {
    const page = await database.asSystem((trx) =>
      trx
        .selectFrom('ledger_books')
        .select('organization_id')
        .where('organization_id', '>', after)
        .orderBy('organization_id')
        .limit(booksPageSize)
        .execute(),
    )
    for (const { organization_id } of page) yield organization_id
    const last = page.at(-1)
    if (!last || page.length < booksPageSize) return
    after = last.organization_id
  }
}

type BookRow = Record<LedgerAccount, number> & {
  head_sequence: number
  head_hash: Buffer
  updated_at: Date
  last_sequence: number
}

async function verifyBook(database: Database, organizationId: string, found: Found): Promise<Replay> {
  const replay = createReplay()
  const place = (sequence: number | null) => ({ organizationId, sequence })
  const book = await readBook(database, organizationId)
  if (book.last_sequence > book.head_sequence)
    found({
      kind: 'chain',
      ...place(book.last_sequence),
      message: `transfers after ${book.head_sequence} belong to no operation`,
    })
  for await (const transfer of transfersUpTo(database, organizationId, book.head_sequence))
    for (const { sequence, message } of replay.next(transfer))
      found({ kind: 'chain', ...place(sequence), message })
  if (replay.sequence < book.head_sequence)
    found({ kind: 'chain', organizationId, ...missing(replay.sequence + 1, book.head_sequence) })
  else if (book.head_sequence > 0 && !replay.hash.equals(book.head_hash))
    found({
      kind: 'book',
      ...place(book.head_sequence),
      message: 'the book’s hash is not the last transfer’s',
    })
  else if (replay.at !== null && replay.at.getTime() !== book.updated_at.getTime())
    found({
      kind: 'book',
      ...place(book.head_sequence),
      message: 'the book’s time is not the last transfer’s',
    })
  for (const account of accounts)
    if (book[account] !== replay.balances[account])
      found({
        kind: 'book',
        ...place(null),
        message: `the book has ${book[account]} micro-credits ${account}, and its transfers come to ${replay.balances[account]}`,
      })
  return replay
}

async function readBook(database: Database, organizationId: string): Promise<BookRow> {
  const { rows } = await database.asSystem((trx) =>
    // One statement: what is written meanwhile is either in all of it or in none.
    sql<BookRow>`select books.*, coalesce((
        select max(sequence) from ledger_transfers transfers where transfers.organization_id = books.organization_id
      ), 0) as last_sequence
      from ledger_books books where organization_id = ${organizationId}`.execute(trx),
  )
  // No book is ever deleted; if one is, between two queries, the next verification names its chain.
  return (
    rows[0] ?? {
      ...noBalances(),
      head_sequence: 0,
      head_hash: Buffer.alloc(32),
      updated_at: new Date(),
      last_sequence: 0,
    }
  )
}

async function* transfersUpTo(
  database: Database,
  organizationId: string,
  last: number,
): AsyncIterable<Transfer> {
  for (let after = 0; after < last; ) {
    const page = await database.asSystem((trx) =>
      trx
        .selectFrom('ledger_transfers')
        .selectAll()
        .where('organization_id', '=', organizationId)
        .where('sequence', '>', after)
        .where('sequence', '<=', last)
        .orderBy('sequence')
        .limit(transfersPageSize)
        .execute(),
    )
    yield* page
    if (page.length < transfersPageSize) return
    after = page.at(-1)?.sequence ?? last
  }
}

async function findChainsWithoutBook(database: Database, found: Found): Promise<void> {
  const { rows } = await database.asSystem((trx) =>
    sql<{ organization_id: string }>`
      select distinct organization_id from ledger_transfers
      where organization_id not in (select organization_id from ledger_books) limit ${problemsMax}`.execute(
      trx,
    ),
  )
  for (const { organization_id } of rows)
    found({
      kind: 'book',
      organizationId: organization_id,
      sequence: null,
      message: 'there are transfers of an organization that has no book',
    })
}

interface ReservationDifference {
  organization_id: string
  id: string
  held: number | null
  settled: number | null
  chain_held: number
  chain_settled: number
}

/** Closed ones are forgotten after some days, so only those that are there must fit; all that holds something must be. */
async function verifyReservations(database: Database, found: Found): Promise<void> {
  const { rows } = await database.asSystem((trx) =>
    sql<ReservationDifference>`
      with chain as (
        select transfers.organization_id, transfers.reservation_id as id,
          sum(amount * ((credit = 'reserved')::int - (debit = 'reserved')::int))::bigint as held,
          coalesce(sum(amount) filter (where credit = 'spent' and at >= reservations.created_at), 0)::bigint as settled,
          coalesce(sum(amount) filter (where credit = 'spent' and at > reservations.created_at), 0)::bigint as settled_after
        from ledger_transfers transfers
        left join ledger_reservations reservations
          on reservations.id = reservation_id and reservations.organization_id = transfers.organization_id
        where reservation_id is not null
        group by 1, 2
      )
      select coalesce(reservations.organization_id, chain.organization_id) as organization_id,
        coalesce(reservations.id, chain.id) as id, reservations.held, reservations.settled,
        coalesce(chain.held, 0) as chain_held, coalesce(chain.settled, 0) as chain_settled
      from ledger_reservations reservations
      full join chain on chain.id = reservations.id and chain.organization_id = reservations.organization_id
      where coalesce(reservations.held, 0) <> coalesce(chain.held, 0)
        -- What was settled at the very time at which it was made may have come before it, out of turn.
        or reservations.settled not between coalesce(chain.settled_after, 0) and coalesce(chain.settled, 0)
        or reservations.closed_at < reservations.created_at`.execute(trx),
  )
  for (const row of rows)
    found({
      kind: 'reservation',
      organizationId: row.organization_id,
      sequence: null,
      message: `reservation ${row.id} has ${row.held ?? 'no row, so 0'} held and ${row.settled ?? 0} settled, and its transfers come to ${row.chain_held} and ${row.chain_settled}`,
    })
}

async function verifyTotals(database: Database, found: Found): Promise<void> {
  const rows = await database.asSystem((trx) =>
    trx.selectFrom('ledger_system_accounts').selectAll().execute(),
  )
  const sum = (source: boolean) =>
    rows.reduce((total, row) => (row.source === source ? total + row.balance : total), 0)
  if (sum(true) !== sum(false))
    found({
      kind: 'totals',
      organizationId: null,
      sequence: null,
      message: `${sum(true)} micro-credits came in, and there are ${sum(false)}`,
    })
}

async function verifyAnchor(database: Database, anchor: FoundAnchor, found: Found): Promise<void> {
  if (anchor.problem !== undefined) {
    found({
      kind: 'anchor',
      organizationId: null,
      sequence: null,
      message: `anchor ${anchor.number}: ${anchor.problem}`,
    })
    return
  }
  const { heads } = anchor
  const { rows } = await database.asSystem((trx) =>
    sql<{ organizationId: string; sequence: number; there: boolean }>`
      select heads.organization_id as "organizationId", heads.sequence, hash is not null as there
      from unnest(${heads.map((head) => head.organizationId)}::uuid[], ${heads.map((head) => head.sequence)}::bigint[],
        ${heads.map((head) => head.hash)}::text[]) as heads (organization_id, sequence, anchored)
      left join ledger_transfers transfers using (organization_id, sequence)
      where encode(hash, 'hex') is distinct from anchored`.execute(trx),
  )
  for (const { organizationId, sequence, there } of rows)
    found({
      kind: 'anchor',
      organizationId,
      sequence,
      message: there
        ? `transfer ${sequence} or one before it was written anew after anchor ${anchor.number}`
        : `transfer ${sequence} was there when anchor ${anchor.number} was made, and is missing`,
    })
}
