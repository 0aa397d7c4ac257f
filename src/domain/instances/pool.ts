import { sql } from 'kysely'
import { advisoryLocks } from '../../db/advisory-locks.ts'
import type { Database, Trx } from '../../db/database.ts'
import { notify } from '../../db/notify.ts'
import { newId } from '../../ids.ts'
import type { InstanceRow } from './lifecycle.ts'
import { databaseNow } from './store.ts'

export interface PoolOptions {
  driver: string
  specVersion: string
  /** Slots to keep booted or booting. */
  size: number
  /** An unclaimed slot older than this is replaced: its software and its memory have aged. */
  ageSecondsMax: number
  /** No new slot boots for so long after one was claimed: on a shared machine it would slow the person's first turn. */
  refillPauseSeconds: number
  /** A control plane that has not written its row for this long does not count as running. */
  nodeSilenceSecondsMax: number
}

/**
 * Gives the instance a slot, in one statement each: the oldest that is ready and warm, else the one that is furthest
 * with booting, else a new one. SKIP LOCKED keeps racing claims from waiting for each other or taking the same one.
 * Runs under the instance's row lock. Returns the slot's id.
 */
export async function claimSlot(trx: Trx, instance: InstanceRow, options: PoolOptions): Promise<string> {
  const id =
    (await claimAvailable(trx, instance, options)) ??
    (await claimBooting(trx, instance, options)) ??
    (await createSlot(trx, options, instance.id))
  await notify(trx, 'slot_changed', id)
  return id
}

/**
 * A slot that is only being looked at by a reconciler or written by its link is locked for milliseconds, and SKIP LOCKED
 * passes it over. While such a one is there, asking again is far quicker than booting another.
 */
const lockedAttemptsMax = 5

async function claimAvailable(trx: Trx, instance: InstanceRow, options: PoolOptions) {
  const available = sql`from slots
    where driver = ${options.driver} and state = 'available' and wanted = 'running' and instance_id is null
      and failure_code is null and phase = 'running' and ready and warm`
  for (let attempt = 1; ; attempt++) {
    const id = await claim(
      trx,
      instance,
      sql`select id ${available} order by (spec_version = ${options.specVersion}) desc, available_at, id
        limit 1 for update skip locked`,
    )
    if (id || attempt === lockedAttemptsMax) return id
    const { rows } = await sql<{ locked: boolean }>`select exists (select ${available}) as locked`.execute(
      trx,
    )
    if (!rows[0]?.locked) return undefined
    await sql`select pg_sleep(0.02)`.execute(trx)
  }
}

async function claimBooting(trx: Trx, instance: InstanceRow, options: PoolOptions) {
  return claim(
    trx,
    instance,
    sql`select id from slots
      where driver = ${options.driver} and state in ('initializing', 'available') and wanted = 'running'
        and instance_id is null and failure_code is null and attempts = 0
        and spec_version = ${options.specVersion}
      order by ready desc, (phase = 'running') desc, created_at, id
      limit 1 for update skip locked`,
  )
}

async function claim(trx: Trx, instance: InstanceRow, candidate: ReturnType<typeof sql>) {
  // Whoever takes over a slot that waits for capacity queues from now on and not from when the pool asked.
  const { rows } = await sql<{ id: string }>`
    update slots set state = 'assigned', instance_id = ${instance.id}, assigned_at = clock_timestamp(),
      updated_at = clock_timestamp(), next_reconcile_at = clock_timestamp(),
      waiting_since = case when waiting_since is not null then clock_timestamp() end
    where id = (${candidate}) returning id`.execute(trx)
  return rows[0]?.id
}

async function createSlot(
  trx: Trx,
  options: Pick<PoolOptions, 'driver' | 'specVersion'>,
  instanceId: string | null,
): Promise<string> {
  const id = newId()
  await sql`insert into slots (id, driver, spec_version, state, instance_id, assigned_at)
    values (${id}, ${options.driver}, ${options.specVersion}, ${instanceId ? 'assigned' : 'initializing'},
      ${instanceId}, ${instanceId ? sql`clock_timestamp()` : null})`.execute(trx)
  return id
}

/**
 * Retires what the pool should not hold and makes what it lacks. Control planes take turns by an advisory lock, so
 * that two do not both make the missing one. Returns how many slots it made or retired.
 */
export function tendPool(database: Database, nodeId: string, options: PoolOptions): Promise<number> {
  return database.asSystem(async (trx) => {
    await sql`select pg_advisory_xact_lock(${advisoryLocks.pool})`.execute(trx)
    if (!(await governs(trx, nodeId, options))) return 0
    const retired = await retireOutdated(trx, options)
    const missing = options.size - (await countPooled(trx, options))
    if (missing < 0) return retired + (await retireSurplus(trx, options, -missing))
    if (missing === 0 || (await mustHold(trx, options))) return retired
    for (let made = 0; made < missing; made++)
      await notify(trx, 'slot_changed', await createSlot(trx, options, null))
    return retired + missing
  })
}

/**
 * While control planes of two versions run, only those like the one that started last tend the pool; otherwise each
 * side would retire what the other makes.
 */
async function governs(trx: Trx, nodeId: string, options: PoolOptions): Promise<boolean> {
  const newest = await trx
    .selectFrom('nodes')
    .select(['id', 'spec_version'])
    .where((expression) =>
      expression.or([
        expression('id', '=', nodeId),
        sql<boolean>`heartbeat_at > clock_timestamp() - make_interval(secs => ${options.nodeSilenceSecondsMax})`,
      ]),
    )
    .orderBy('started_at', 'desc')
    .orderBy('id', 'desc')
    .limit(1)
    .executeTakeFirst()
  return newest === undefined || newest.id === nodeId || newest.spec_version === options.specVersion
}

async function countPooled(trx: Trx, options: PoolOptions): Promise<number> {
  const { count } = await trx
    .selectFrom('slots')
    .select(sql<number>`count(*)::int`.as('count'))
    .where('state', 'in', ['initializing', 'available'])
    .where('wanted', '=', 'running')
    .where('driver', '=', options.driver)
    .where('spec_version', '=', options.specVersion)
    .executeTakeFirstOrThrow()
  return count
}

async function retireOutdated(trx: Trx, options: PoolOptions): Promise<number> {
  return retire(
    trx,
    sql`select id from slots where state in ('initializing', 'available')
      and (driver <> ${options.driver} or spec_version <> ${options.specVersion}
        or (state = 'available' and created_at < clock_timestamp() - make_interval(secs => ${options.ageSecondsMax})))
      for update skip locked`,
  )
}

async function retireSurplus(trx: Trx, options: PoolOptions, count: number): Promise<number> {
  return retire(
    trx,
    sql`select id from slots where state in ('initializing', 'available') and driver = ${options.driver}
      order by (state = 'available'), created_at desc limit ${count} for update skip locked`,
  )
}

async function retire(trx: Trx, which: ReturnType<typeof sql>): Promise<number> {
  const { rows } = await sql<{ id: string }>`
    update slots set state = 'terminating', wanted = 'removed', retry_at = null,
      next_reconcile_at = clock_timestamp(), updated_at = clock_timestamp()
    where id in (${which}) returning id`.execute(trx)
  for (const { id } of rows) await notify(trx, 'slot_changed', id)
  return rows.length
}

/**
 * No new slot while people wait for capacity, which comes first to them, nor right after a claim, nor right after slots
 * of the pool failed: that pause doubles with each failure of the last ten minutes, up to five minutes.
 */
async function mustHold(trx: Trx, options: PoolOptions): Promise<boolean> {
  const { rows } = await sql<{ hold: boolean }>`
    with failed as (
      select count(*)::int as count, max(updated_at) as last from slots
      where driver = ${options.driver} and instance_id is null and assigned_at is null and failure_code is not null
        and updated_at > clock_timestamp() - interval '10 minutes')
    select exists (select from slots where driver = ${options.driver} and state = 'assigned'
        and waiting_since is not null and pending_reason = 'no_capacity')
      or exists (select from slots where driver = ${options.driver}
        and assigned_at > clock_timestamp() - make_interval(secs => ${options.refillPauseSeconds}))
      or (select count > 0 and last + make_interval(secs => least(300, 5 * 2 ^ (count - 1))) > clock_timestamp()
        from failed) as hold`.execute(trx)
  return rows[0]?.hold ?? false
}

/** Announces this control plane and forgets those that have long been silent. */
export function announceNode(
  database: Database,
  node: { id: string; internalUrl: string; specVersion: string },
): Promise<void> {
  return database.asSystem(async (trx) => {
    await trx
      .insertInto('nodes')
      .values({ id: node.id, internal_url: node.internalUrl, spec_version: node.specVersion })
      .onConflict((conflict) =>
        conflict.column('id').doUpdateSet({
          heartbeat_at: databaseNow,
          internal_url: node.internalUrl,
          spec_version: node.specVersion,
        }),
      )
      .execute()
    await trx
      .deleteFrom('nodes')
      .where(sql<boolean>`heartbeat_at < clock_timestamp() - interval '1 hour'`)
      .execute()
  })
}
