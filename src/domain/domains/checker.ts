import type { Selectable } from 'kysely'
import type { Clock } from '../../clock.ts'
import type { Database, Trx } from '../../db/database.ts'
import { notify } from '../../db/notify.ts'
import type { DomainsTable } from '../../db/tables/domains.ts'
import type { Resolver } from './resolver.ts'
import { type DomainChange, decide, type Findings, lookUp } from './verification.ts'

/** Looks domains up, when somebody asks and again and again in the background. */
export interface DomainChecker {
  check(domainId: string): Promise<void>
  /** All that are due. Returns how many were. */
  checkDue(): Promise<number>
}

export interface DomainCheckerDeps {
  database: Database
  resolver: Resolver
  clock: Clock
  /** Instances answer at SLUG.domain. */
  domain: string
}

/** Nobody else looks at a row that somebody looks at; after this it is due again, should whoever looks have died. */
const leaseMilliseconds = 60_000
const batchSize = 20
const uniqueViolation = '23505'

type Row = Selectable<DomainsTable> & { slug: string }

export function createDomainChecker(deps: DomainCheckerDeps): DomainChecker {
  const { database, resolver, clock } = deps

  const claim = (domainIds: string[] | 'due'): Promise<Row[]> =>
    database.asSystem(async (trx) => {
      const now = clock.now()
      let query = trx.selectFrom('domains').select('id')
      query =
        domainIds === 'due'
          ? query.where('next_check_at', '<=', now).orderBy('next_check_at').limit(batchSize)
          : query.where('id', 'in', domainIds)
      const ids = (await query.forUpdate().skipLocked().execute()).map(({ id }) => id)
      if (ids.length === 0) return []
      await trx
        .updateTable('domains')
        .set({ next_check_at: new Date(now.getTime() + leaseMilliseconds) })
        .where('id', 'in', ids)
        .execute()
      return trx
        .selectFrom('domains')
        .innerJoin('instances', 'instances.id', 'domains.instance_id')
        .selectAll('domains')
        .select('instances.slug')
        .where('domains.id', 'in', ids)
        .execute()
    })

  const checkOne = async (row: Row): Promise<void> => {
    const findings = await lookUp(resolver, { ...row, instanceName: `${row.slug}.${deps.domain}` })
    // Of two who prove one name at the same moment the index lets one through; the other then finds it taken.
    await settle(row, findings).catch((error) => {
      if ((error as { code?: string }).code !== uniqueViolation) throw error
      return settle(row, findings)
    })
  }

  const settle = (row: Row, findings: Findings): Promise<void> =>
    database.asSystem(async (trx) => {
      const current = await trx
        .selectFrom('domains')
        .selectAll()
        .where('id', '=', row.id)
        .forUpdate()
        .executeTakeFirst()
      if (!current) return
      const change = decide(
        {
          state: current.state,
          createdAt: current.created_at,
          unprovenSince: current.unproven_since,
          contested: await isContested(trx, current),
        },
        findings,
        clock.now(),
      )
      const isTaken = change.state === 'verified' && (await findHolder(trx, current)) !== undefined
      await write(trx, current, isTaken ? taken(change, clock.now()) : change, clock.now())
    })

  return {
    check: async (domainId) => {
      for (const row of await claim([domainId])) {
        await checkOne(row)
        await contest(deps, row, checkOne, claim)
      }
    },
    checkDue: async () => {
      const rows = await claim('due')
      await Promise.all(rows.map(checkOne))
      return rows.length
    },
  }
}

/** Whoever proves a name that somebody else holds has that one looked at again: it may have changed hands. */
async function contest(
  { database }: DomainCheckerDeps,
  row: Row,
  checkOne: (row: Row) => Promise<void>,
  claim: (ids: string[]) => Promise<Row[]>,
): Promise<void> {
  const [current, holder] = await database.asSystem(async (trx) => [
    await trx.selectFrom('domains').selectAll().where('id', '=', row.id).executeTakeFirst(),
    await findHolder(trx, row),
  ])
  if (current?.state !== 'pending' || current.proof === null || holder === undefined) return
  for (const other of await claim([holder.id])) await checkOne(other)
  await checkOne(row)
}

const takenProblem =
  'Another instance has this domain, and its record is still there. Remove that record, then check again.'

const takenEveryMilliseconds = 3_600_000

function taken(change: DomainChange, now: Date): DomainChange {
  const nextCheckAt = new Date(now.getTime() + takenEveryMilliseconds)
  return { ...change, state: 'pending', problem: takenProblem, nextCheckAt }
}

/** Somebody else has proven the name too. */
async function isContested(trx: Trx, row: Selectable<DomainsTable>): Promise<boolean> {
  const other = await trx
    .selectFrom('domains')
    .select('id')
    .where('hostname', '=', row.hostname)
    .where('id', '<>', row.id)
    .where('state', '=', 'pending')
    .where('proof', 'is not', null)
    .executeTakeFirst()
  return other !== undefined
}

function findHolder(trx: Trx, row: Pick<Row, 'id' | 'hostname'>): Promise<{ id: string } | undefined> {
  return trx
    .selectFrom('domains')
    .select('id')
    .where('hostname', '=', row.hostname)
    .where('id', '<>', row.id)
    .where('state', '=', 'verified')
    .executeTakeFirst()
}

async function write(
  trx: Trx,
  row: Selectable<DomainsTable>,
  change: DomainChange,
  now: Date,
): Promise<void> {
  await trx
    .updateTable('domains')
    .set({
      state: change.state,
      problem: change.problem,
      proof: change.proof ?? (change.state === 'verified' ? row.proof : null),
      ...(change.pointsHere === undefined ? {} : { points_here: change.pointsHere }),
      unproven_since: change.unprovenSince,
      next_check_at: change.nextCheckAt,
      checked_at: now,
      verified_at: change.state === 'verified' ? (row.verified_at ?? now) : null,
    })
    .where('id', '=', row.id)
    .execute()
  if (change.state !== row.state) {
    await notify(trx, 'instance_changed', row.instance_id)
  }
}
