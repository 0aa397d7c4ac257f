import { sql } from 'kysely'
import type { Trx } from '../../db/database.ts'
import { notify } from '../../db/notify.ts'
import type { Rung } from '../../db/tables/idle.ts'
import type { LaunchCheck } from '../credits/runtime-launch.ts'
import type { ComputeCapabilities } from './compute.ts'
import { decideRung, type IdleFacts, type IdleTimes } from './idle.ts'
import { type InstanceRow, serves } from './lifecycle.ts'
import { type LoadedSlot, requestedStep, updateInstance } from './store.ts'

export interface LadderOptions {
  timesOf(plan: string): IdleTimes
  /** Of the driver that this instance's machine is of. */
  capabilitiesOf(driver: string): Pick<ComputeCapabilities, 'suspend' | 'freeze'>
  archive: Archive | undefined
}

/** Where states are kept whose machines are removed. Without it nothing is ever archived. */
export interface Archive {
  /** Whether the state of this instance, as it is now, could be restored. Asked while its machine does not run. */
  hasFreshBackup(trx: Trx, instanceId: string): Promise<boolean>
  /** Asks for a backup soon; called repeatedly until there is one. */
  backUp(trx: Trx, instanceId: string): Promise<void>
}

/**
 * Puts an instance that its owner wants running on the rung that it should be on, under its row's lock. Returns when to
 * look again.
 */
export async function stepOnLadder(
  trx: Trx,
  instance: InstanceRow & { now: Date },
  slot: LoadedSlot | null,
  options: LadderOptions,
): Promise<Date | null> {
  // Who is stopped for lack of credits is neither idle nor woken by what it plans.
  if (instance.desired_state !== 'running' || instance.credit_hold !== null) return null
  const { now } = instance
  const facts = await factsOf(trx, instance, slot, options)
  const times = options.timesOf(instance.plan)
  const decision = decideRung(facts, times, options.capabilitiesOf(instance.driver), now)
  if (decision.backUp) await options.archive?.backUp(trx, instance.id)
  if (decision.rung === instance.rung) {
    // Put to sleep by a person, who does not know what it plans.
    if (instance.rung !== 'active' && instance.next_wake_at?.getTime() !== facts.nextWakeAt?.getTime())
      await updateInstance(trx, instance.id, { next_wake_at: facts.nextWakeAt })
    return decision.lookAt
  }
  if (decision.rung === 'active') await rise(trx, instance, now)
  else await descend(trx, instance, decision.rung, facts.nextWakeAt, now)
  return decision.lookAt
}

async function factsOf(
  trx: Trx,
  instance: InstanceRow & { now: Date },
  slot: LoadedSlot | null,
  { archive }: LadderOptions,
): Promise<IdleFacts> {
  return {
    rung: instance.rung,
    rungSince: instance.rung_since,
    serving: slot !== null && slot.wanted === 'running' && slot.failure_code === null && serves(slot),
    servingSince: instance.running_since ?? instance.now,
    turnsInFlight: slot?.turns_in_flight ?? 0,
    heardAt: slot?.heartbeat_at ?? null,
    busyAt: slot?.busy_at ?? null,
    lastActiveAt: later(instance.last_active_at, slot?.active_at),
    // As its supervisor said last; of an archived one only the copy is left.
    nextWakeAt: slot === null ? instance.next_wake_at : slot.next_wake_at,
    backup: await backupOf(trx, instance, archive),
  }
}

/** Asked only of those that the answer matters for. */
async function backupOf(
  trx: Trx,
  instance: InstanceRow,
  archive: Archive | undefined,
): Promise<IdleFacts['backup']> {
  if (archive === undefined || instance.rung !== 'stopped') return 'impossible'
  return (await archive.hasFreshBackup(trx, instance.id)) ? 'fresh' : 'outdated'
}

/** Awake again, for whatever reason; what was launched before is launched anew, what only slept goes on. */
async function rise(trx: Trx, instance: InstanceRow, now: Date): Promise<void> {
  Object.assign(instance, { rung: 'active', rung_since: now })
  if (instance.status === 'stopped')
    await trx
      .updateTable('instances')
      .set({ steps: requestedStep })
      .where('id', '=', instance.id)
      .returning('steps')
      .executeTakeFirst()
      .then((row) => Object.assign(instance, row))
  await updateInstance(trx, instance.id, { rung: 'active', rung_since: now })
}

async function descend(
  trx: Trx,
  instance: InstanceRow,
  rung: Rung,
  nextWakeAt: Date | null,
  now: Date,
): Promise<void> {
  const patch = {
    rung,
    rung_since: now,
    next_wake_at: nextWakeAt,
    ...(rung === 'deleted' ? { desired_state: 'deleted' as const } : {}),
  }
  Object.assign(instance, patch)
  await updateInstance(trx, instance.id, patch)
}

function later(one: Date, other: Date | null | undefined): Date {
  return other && other > one ? other : one
}

/**
 * Wakes an instance that sleeps though its owner wants it running; whatever a person stopped stays stopped, decided by
 * the row as it is at that moment. True if it slept. Throws what `check` throws when there are no credits for it.
 */
export async function wake(
  trx: Trx,
  instanceId: string,
  who: 'person' | 'program',
  check?: LaunchCheck,
): Promise<boolean> {
  const woken = await trx
    .updateTable('instances')
    .set({
      rung: 'active',
      rung_since: sql<Date>`clock_timestamp()`,
      ...(who === 'person' ? { last_active_at: sql<Date>`clock_timestamp()` } : {}),
      // Should this process end before it settles the instance, another one does.
      next_reconcile_at: sql<Date>`clock_timestamp()`,
      steps: sql<string>`case when status = 'stopped' then ${requestedStep} else steps end`,
    })
    .where('id', '=', instanceId)
    .where('desired_state', '=', 'running')
    .where('rung', '<>', 'active')
    .where('credit_hold', 'is', null)
    .returning(['id', 'organization_id', 'owner_user_id', 'plan'])
    .executeTakeFirst()
  if (woken)
    await check?.(trx, {
      organizationId: woken.organization_id,
      ownerUserId: woken.owner_user_id,
      plan: woken.plan,
      instanceId,
    })
  // Settling tells only of a new status, and one that was just about to fall asleep gets none.
  if (woken) await notify(trx, 'instance_changed', instanceId)
  return woken !== undefined
}
