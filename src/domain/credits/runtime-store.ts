import { type Selectable, sql } from 'kysely'
import type { Trx } from '../../db/database.ts'
import type { InstanceStatus, Tables } from '../../db/schema.ts'
import { newId } from '../../ids.ts'
import {
  countServed,
  enterState,
  newMeter,
  type RuntimeMeter,
  runtimeStateOf,
  type Served,
} from './runtime-meter.ts'

/** Whole milliseconds, so that times can be subtracted without a remainder. */
const databaseMilliseconds = sql<Date>`date_trunc('milliseconds', clock_timestamp())`

/**
 * Locks are taken in this order everywhere: instances by id, slot, meters by id, window, ledger. Whoever holds one of
 * the later ones never waits for an earlier one.
 */
export async function lockMeters(trx: Trx, instanceIds: readonly string[]): Promise<Map<string, MeterRow>> {
  if (instanceIds.length === 0) return new Map()
  const rows = await trx
    .selectFrom('runtime_meters')
    .selectAll()
    .select(databaseMilliseconds.as('now'))
    .where('instance_id', 'in', [...instanceIds])
    .orderBy('instance_id')
    .forNoKeyUpdate()
    .execute()
  return new Map(rows.map((row) => [row.instance_id, row]))
}

export type MeterRow = Selectable<Tables['runtime_meters']> & { now: Date }

export function meterOf(row: MeterRow): RuntimeMeter {
  return {
    state: row.state,
    meteredUntil: row.metered_until.getTime(),
    runningMs: row.running_ms,
    suspendedMs: row.suspended_ms,
    storedMs: row.stored_ms,
    unprovenMs: row.unproven_ms,
    unheardMs: row.unheard_ms,
    reportedAt: row.reported_at.getTime(),
    servedMs: row.served_ms,
    run: row.supervisor_run,
  }
}

export async function writeMeter(
  trx: Trx,
  instance: { id: string; organizationId: string },
  meter: RuntimeMeter,
  charge?: { chargedUntil: Date; budgetUntil: Date | null },
): Promise<void> {
  const columns = {
    state: meter.state,
    metered_until: new Date(meter.meteredUntil),
    running_ms: meter.runningMs,
    suspended_ms: meter.suspendedMs,
    stored_ms: meter.storedMs,
    unproven_ms: meter.unprovenMs,
    unheard_ms: meter.unheardMs,
    reported_at: new Date(meter.reportedAt),
    served_ms: meter.servedMs,
    supervisor_run: meter.run,
    updated_at: databaseMilliseconds,
    ...(charge ? { charged_until: charge.chargedUntil, budget_until: charge.budgetUntil } : {}),
  }
  await trx
    .insertInto('runtime_meters')
    .values({ instance_id: instance.id, organization_id: instance.organizationId, ...columns })
    .onConflict((conflict) => conflict.column('instance_id').doUpdateSet(columns))
    .execute()
}

/** Counts what the supervisor of an instance has said, in the transaction that writes down that it said so. */
export async function recordServed(trx: Trx, instanceId: string, served: Served | null): Promise<void> {
  const row = (await lockMeters(trx, [instanceId])).get(instanceId)
  if (row === undefined) return
  const before = meterOf(row)
  const meter = countServed(before, served, row.now.getTime())
  // Nothing that was asleep or ended and says nothing new needs a write at each heartbeat.
  if (
    before.state !== 'running' &&
    meter.runningMs === before.runningMs &&
    meter.servedMs === before.servedMs
  )
    return
  await writeMeter(trx, { id: instanceId, organizationId: row.organization_id }, meter)
  if (before.state !== 'running' && meter.runningMs > before.runningMs)
    await chargeSoon(trx, row.organization_id, 0)
}

/** The part of an instance and of its slot that decides what its time is charged as. */
interface MeteredRow {
  id: string
  organization_id: string
}
type MeteredSlot = Pick<
  Selectable<Tables['slots']>,
  'phase' | 'ready' | 'served_ms' | 'served_run' | 'served_at'
>

/**
 * Notes what an instance's time is charged as from now on. Under the instance's row lock, in the transaction that
 * changes its status, so that no time lies between two states or in both.
 */
export async function recordRuntimeState(
  trx: Trx,
  instance: MeteredRow,
  slot: MeteredSlot | null,
  status: InstanceStatus,
): Promise<void> {
  const row = (await lockMeters(trx, [instance.id])).get(instance.id)
  const before = row ? row.state : null
  const next = runtimeStateOf(status, slot?.phase ?? null, before)
  const state = next === 'ended' ? null : next
  if (row && before === state) return
  const now = row?.now ?? (await readClock(trx))
  const meter = enterState(
    row ? meterOf(row) : newMeter(now.getTime()),
    state,
    slot && baselineOf(slot, now),
    now.getTime(),
  )
  await writeMeter(trx, { id: instance.id, organizationId: instance.organization_id }, meter)
  await chargeSoon(trx, instance.organization_id, state === 'running' || next === null ? 0 : settleSeconds)
}

/** The last report of what just ended comes a moment after its end is seen, or before. */
const settleSeconds = 2
/** A report that is older than this says nothing of now. */
const reportMsMax = 15_000

/** Its supervisor counted while the slot waited in the pool too: what comes after this moment is the instance's. */
function baselineOf(slot: MeteredSlot, now: Date): Served | null {
  if (slot.served_run === null || slot.served_at === null) return null
  const sinceMs = Math.max(0, now.getTime() - slot.served_at.getTime())
  const servedSince = slot.ready && sinceMs <= reportMsMax ? sinceMs : 0
  return { run: slot.served_run, ms: slot.served_ms + servedSince }
}

async function readClock(trx: Trx): Promise<Date> {
  const { rows } = await sql<{ now: Date }>`select ${databaseMilliseconds} as now`.execute(trx)
  return (rows[0] as { now: Date }).now // one row, always
}

/** Lets the organization be charged no later than in so many seconds. */
export async function chargeSoon(trx: Trx, organizationId: string, seconds: number): Promise<void> {
  await sql`
    insert into runtime_windows (organization_id, reservation_id, charge_at)
    values (${organizationId}, ${newId()}, clock_timestamp() + make_interval(secs => ${seconds}))
    on conflict (organization_id) do update set charge_at = least(
      runtime_windows.charge_at, excluded.charge_at)`.execute(trx)
}

/**
 * How long what is held in the ledger and in budgets pays for the instance that runs or boots on a slot, in seconds from now;
 * null where nothing bounds it. For the lease of its supervisor, so without any lock.
 */
export async function findCoverSeconds(trx: Trx, slotId: string): Promise<number | null> {
  const { rows } = await sql<{ seconds: number | null }>`
    select extract(epoch from
      least(windows.covered_until, meters.budget_until) - clock_timestamp())::float8 as seconds
    from slots join runtime_meters meters using (instance_id) join runtime_windows windows using (organization_id)
    where slots.id = ${slotId}`.execute(trx)
  return rows[0]?.seconds ?? null
}
