import { type RawBuilder, sql, type UpdateObject } from 'kysely'
import type { Trx } from '../../db/database.ts'
import { notify } from '../../db/notify.ts'
import type { LaunchStep, Tables } from '../../db/schema.ts'
import { hasOpenRestore } from '../backups/open-restore.ts'
import type { InstanceRow } from './lifecycle.ts'
import type { SlotFacts, SlotPatch, SlotRow } from './slot-lifecycle.ts'

/** A slot's row with what else a decision needs. `now` is the database's clock: the only one all control planes share. */
export type LoadedSlot = SlotRow & Pick<SlotFacts, 'queue_place' | 'restore_open'> & { now: Date }

/** `clock_timestamp` and not `now`: a transaction that waited for a lock must not decide as of before the wait. */
export const databaseNow = sql<Date>`clock_timestamp()`

export function secondsFromNow(seconds: number): RawBuilder<Date> {
  return sql<Date>`clock_timestamp() + make_interval(secs => ${seconds})`
}

/**
 * Place among the slots that wait for capacity: those that a person waits for come before those of the pool, then
 * whoever has waited longest.
 */
const queuePlace = sql<number | null>`case
  when slots.pending_reason = 'no_capacity' and slots.waiting_since is not null and slots.failure_code is null then (
    select 1 + count(*)::int from slots as ahead
    where ahead.driver = slots.driver and ahead.waiting_since is not null and ahead.pending_reason = 'no_capacity'
      and ahead.wanted = 'running' and ahead.failure_code is null and ahead.id <> slots.id
      and (ahead.instance_id is null, ahead.waiting_since, ahead.id)
        < (slots.instance_id is null, slots.waiting_since, slots.id))
  end`

/** Locks the slot against every other change until the transaction ends. */
export async function lockSlot(
  trx: Trx,
  by: { id: string } | { instanceId: string },
): Promise<LoadedSlot | undefined> {
  const slot = await trx
    .selectFrom('slots')
    .selectAll()
    .where('id' in by ? 'id' : 'instance_id', '=', 'id' in by ? by.id : by.instanceId)
    .forNoKeyUpdate()
    .executeTakeFirst()
  if (slot === undefined) return undefined
  // Read after the lock was got: what was true before waiting for it may be no more.
  const facts = await trx
    .selectFrom('slots')
    .select([queuePlace.as('queue_place'), hasOpenRestore.as('restore_open'), databaseNow.as('now')])
    .where('id', '=', slot.id)
    .executeTakeFirstOrThrow()
  return { ...slot, ...facts }
}

export async function updateSlot(
  trx: Trx,
  id: string,
  patch: SlotPatch,
  also: UpdateObject<Tables, 'slots', 'slots'> = {},
): Promise<void> {
  const { handle, ...columns } = patch
  await trx
    .updateTable('slots')
    .set({
      ...columns,
      ...(handle === undefined ? {} : { handle: handle === null ? null : JSON.stringify(handle) }),
      ...(patch.state === 'available' ? { available_at: databaseNow } : {}),
      ...also,
      updated_at: databaseNow,
    })
    .where('id', '=', id)
    .execute()
}

/** Lets whoever waits longest for capacity ask again now, because some may just have become free. */
export async function wakeFirstInQueue(trx: Trx, driver: string): Promise<void> {
  await trx
    .updateTable('slots')
    .set({ next_reconcile_at: databaseNow, retry_at: null })
    .where('id', 'in', (query) =>
      query
        .selectFrom('slots')
        .select('id')
        .where('driver', '=', driver)
        .where('waiting_since', 'is not', null)
        .where('pending_reason', '=', 'no_capacity')
        .where('wanted', '=', 'running')
        .where('failure_code', 'is', null)
        .orderBy(sql`instance_id is null`)
        .orderBy('waiting_since')
        .orderBy('id')
        .limit(1)
        .forUpdate()
        .skipLocked(),
    )
    .execute()
}

/** Locks the instance. Not `for update`: that would make rows that merely refer to it wait, and could deadlock with them. */
export async function lockInstance(trx: Trx, id: string): Promise<(InstanceRow & { now: Date }) | undefined> {
  return trx
    .selectFrom('instances')
    .selectAll()
    .select(databaseNow.as('now'))
    .where('id', '=', id)
    .forNoKeyUpdate()
    .executeTakeFirst()
}

export async function updateInstance(
  trx: Trx,
  id: string,
  columns: Partial<Omit<InstanceRow, 'steps' | 'created_at' | 'last_upgrade'>> & { steps?: LaunchStep[] },
): Promise<void> {
  const { steps, ...rest } = columns
  await trx
    .updateTable('instances')
    .set({ ...rest, ...(steps ? { steps: JSON.stringify(steps) } : {}), updated_at: databaseNow })
    .set((expression) => ({ version: expression('version', '+', 1) }))
    .where('id', '=', id)
    .execute()
  await notify(trx, 'instance_changed', id)
}

/** The first steps of a launch, by the database's clock, for `instances.steps`: whoever writes it has checked the credits. */
export const requestedStep = sql<string>`(select jsonb_build_array(
  jsonb_build_object('name', 'requested', 'startedAt', at, 'finishedAt', at),
  jsonb_build_object('name', 'credits_checked', 'startedAt', at, 'finishedAt', at))
  from to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as at)`
