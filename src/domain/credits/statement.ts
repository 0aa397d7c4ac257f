import { type RawBuilder, sql } from 'kysely'
import type { Database, Trx } from '../../db/database.ts'
import { containing } from '../../db/like.ts'
import { type Principal, requireRole, requireScope } from '../accounts/principal.ts'
import { type Entry, type EntryKind, entriesOf, type FoundEntry } from './entry.ts'

export interface StatementFilter {
  /** Text in the note, the reference or the key, whatever its case. */
  search?: string | undefined
  kind?: EntryKind | undefined
  from?: Date | undefined
  /** Not included. */
  to?: Date | undefined
  /** With what was held and given back again; else only what that came to. */
  holds?: boolean | undefined
}

export interface StatementPage {
  entries: Entry[]
  /** Of the next older page; null on the last one. */
  cursor: string | null
}

/** What happened to an organization's credits, for its owners and admins. */
export interface Statements {
  /** The newest first. */
  page(
    principal: Principal,
    filter: StatementFilter,
    place: { cursor?: string | undefined; limit: number },
  ): Promise<StatementPage>
  /** All of it as it is now, the oldest first, with one page of it in memory at a time. */
  all(principal: Principal, filter: StatementFilter): Promise<AsyncIterable<Entry>>
}

const exportPageSize = 500

export function createStatements(database: Database): Statements {
  const inTenant = async <T>(principal: Principal, work: (trx: Trx) => Promise<T>): Promise<T> => {
    requireScope(principal, 'credits:read')
    requireRole(principal, 'admin')
    return database.inTenant(principal.organizationId, work)
  }
  return {
    page: (principal, filter, { cursor, limit }) =>
      inTenant(principal, async (trx) => {
        const { organizationId } = principal
        const range = await rangeOf(trx, organizationId, filter)
        const before = cursor === undefined ? range.before : Math.min(Number(cursor), range.before)
        const found = await selectEntries(trx, organizationId, filter, {
          range: { from: range.from, before },
          order: sql`desc`,
          limit: limit + 1,
        })
        const shown = found.slice(0, limit)
        const newest = shown[0]
        const balance =
          newest && isWhole(filter) ? await balanceUpTo(trx, organizationId, newest.lastSequence) : null
        return {
          entries: entriesOf(shown, balance, 'newest first'),
          cursor: found.length > limit ? String(shown.at(-1)?.sequence) : null,
        }
      }),

    all: async (principal, filter) => {
      const { organizationId } = principal
      const { range, balance } = await inTenant(principal, async (trx) => {
        const range = await rangeOf(trx, organizationId, filter)
        return {
          range,
          balance: isWhole(filter) ? await balanceUpTo(trx, organizationId, range.from - 1) : null,
        }
      })
      const next = (from: number): Promise<FoundEntry[]> =>
        inTenant(principal, (trx) =>
          selectEntries(trx, organizationId, filter, {
            range: { from, before: range.before },
            order: sql`asc`,
            limit: exportPageSize,
          }),
        )
      return allPages(next, range.from, balance)
    },
  }
}

async function* allPages(
  next: (from: number) => Promise<FoundEntry[]>,
  first: number,
  before: number | null,
): AsyncIterable<Entry> {
  let balance = before
  for (let from = first; ; ) {
    const found = await next(from)
    const entries = entriesOf(found, balance, 'oldest first')
    yield* entries
    const last = found.at(-1)
    if (!last || found.length < exportPageSize) return
    balance = entries.at(-1)?.balance ?? null
    from = last.sequence + 1
  }
}

/** Nothing is left out that changes the balance between two entries. */
function isWhole({ search, kind }: StatementFilter): boolean {
  return search === undefined && kind === undefined
}

/** Places in the chain: the first, and the first that is no longer meant. */
interface Range {
  from: number
  before: number
}

/** An organization's transfers are in the order of their times, so that a time is a place. */
async function rangeOf(
  trx: Trx,
  organizationId: string,
  { from, to }: Pick<StatementFilter, 'from' | 'to'>,
): Promise<Range> {
  return {
    from: from ? await firstSince(trx, organizationId, from) : 1,
    before: await firstSince(trx, organizationId, to ?? null),
  }
}

/** The first place at this time or later, by halving; without a time the place after the last. */
async function firstSince(trx: Trx, organizationId: string, time: Date | null): Promise<number> {
  const { rows } = await sql<{ first: number }>`
    with recursive search as (
      select 0::bigint as low, head_sequence + 1 as high from ledger_books where organization_id = ${organizationId}
      union all
      select case when at < ${time} then sequence else low end, case when at < ${time} then high else sequence end
      from search join ledger_transfers
        on organization_id = ${organizationId} and sequence = (low + high) / 2 and high - low > 1
      where ${time}::timestamptz is not null
    )
    select coalesce(min(high), 1) as first from search`.execute(trx)
  return rows[0]?.first ?? 1
}

/** What the organization had, available and reserved, right after this place. */
async function balanceUpTo(trx: Trx, organizationId: string, sequence: number): Promise<number> {
  if (sequence === 0) return 0
  const { rows } = await sql<{ balance: number }>`
    select available + reserved - (
      select coalesce(sum(${changeOf(sql`transfers`)}), 0) from ledger_transfers transfers
      where transfers.organization_id = ${organizationId} and transfers.sequence > ${sequence}
    )::bigint as balance
    from ledger_books where organization_id = ${organizationId}`.execute(trx)
  return rows[0]?.balance ?? 0
}

const owned = sql`('available', 'reserved')`

/** By how much a transfer changes what the organization has. */
function changeOf(transfer: RawBuilder<unknown>): RawBuilder<number> {
  return sql`(${transfer}.amount
    * ((${transfer}.credit in ${owned})::int - (${transfer}.debit in ${owned})::int))`
}

/** One per operation: a join of its first transfer with all of them. */
async function selectEntries(
  trx: Trx,
  organizationId: string,
  filter: StatementFilter,
  page: { range: Range; order: RawBuilder<unknown>; limit: number },
): Promise<FoundEntry[]> {
  const { rows } = await sql<FoundEntry>`
    select first.sequence, first.at, first.key, first.operation, first.debit, first.credit, first.reference, first.note,
      first.actor_user_id as "actorUserId", first.reservation_id as "reservationId", legs.*
    from ledger_transfers first
    cross join lateral (
      select max(legs.sequence) as "lastSequence", sum(${changeOf(sql`legs`)})::bigint as amount,
        sum(legs.amount * ((legs.credit = 'reserved')::int - (legs.debit = 'reserved')::int))::bigint as held,
        coalesce(sum(legs.amount) filter (where legs.debit = 'written_off'), 0)::bigint as "writtenOff"
      from ledger_transfers legs
      where legs.organization_id = first.organization_id and legs.key = first.key
    ) legs
    where first.organization_id = ${organizationId} and first.leg = 0
      and first.sequence >= ${page.range.from} and first.sequence < ${page.range.before}
      and ${sql.join(conditionsOf(filter), sql` and `)}
    order by first.sequence ${page.order} limit ${page.limit}`.execute(trx)
  return rows
}

const isUsage = sql`(first.operation = 'settle' and first.credit = 'spent')`
const isRelease = sql`(first.operation = 'expire' or first.operation = 'settle' and first.credit <> 'spent')`

function conditionsOf({ search, kind, holds }: StatementFilter): RawBuilder<unknown>[] {
  const conditions: RawBuilder<unknown>[] = []
  if (kind === 'usage') conditions.push(isUsage)
  else if (kind === 'hold') conditions.push(sql`first.operation = 'reserve'`)
  else if (kind === 'release') conditions.push(isRelease)
  else if (kind) conditions.push(sql`first.operation = ${kind}`)
  else if (!holds) conditions.push(sql`first.operation <> 'reserve' and not ${isRelease}`)
  if (search !== undefined) {
    const pattern = containing(search)
    conditions.push(
      sql`(first.note ilike ${pattern} or first.reference ilike ${pattern} or first.key ilike ${pattern})`,
    )
  }
  return conditions.length > 0 ? conditions : [sql`true`]
}
