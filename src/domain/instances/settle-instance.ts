import { sql } from 'kysely'
import type { Database, Trx } from '../../db/database.ts'
import { notify } from '../../db/notify.ts'
import type { InstanceStatus } from '../../db/schema.ts'
import { impossible } from '../../errors.ts'
import { restoreIntoNewSlot } from '../backups/first-restore.ts'
import { recordRuntimeState } from '../credits/runtime-store.ts'
import { type CloseReason, closeSession, openSession } from '../sessions/store.ts'
import { type LadderOptions, stepOnLadder } from './ladder.ts'
import { decideInstance, type InstanceDecision, type InstanceRow } from './lifecycle.ts'
import { addSeconds } from './limits.ts'
import { claimSlot, type PoolOptions } from './pool.ts'
import type { Reason } from './reasons.ts'
import { otherPersonHolds, singleUserReason } from './single-user.ts'
import type { SlotPatch } from './slot-lifecycle.ts'
import { advanceSteps } from './steps.ts'
import { type LoadedSlot, lockInstance, lockSlot, updateInstance, updateSlot } from './store.ts'
import type { UpgradePatience } from './upgrade.ts'
import { stepUpgrade } from './upgrade-step.ts'

export interface SettleOptions {
  pool: PoolOptions
  /** With a driver that isolates nothing: refuse a second person's instance. */
  singleUser: boolean
  ladder: LadderOptions
  patience: UpgradePatience
}

/** How soon an instance is looked at again though nothing woke it: the backup for lost hints, in seconds. */
const backupSeconds: Record<InstanceStatus, number | null> = {
  provisioning: 2,
  stopping: 2,
  deleting: 2,
  running: 60,
  suspended: 60,
  failed: 60,
  stopped: null,
  deleted: null,
}

// The longest chain is restart, run, and then nothing; more would be a decision that never settles.
const changesMax = 6

/**
 * Brings one instance and its slot's row to where they should be, in one transaction under the instance's row lock, so
 * that any number of control planes may call this at once. Machines are not touched: the slot worker sees to them.
 * Returns whether a slot now needs a worker.
 */
export function settleInstance(database: Database, id: string, options: SettleOptions): Promise<boolean> {
  return database.asSystem(async (trx) => {
    const instance = await lockInstance(trx, id)
    if (instance === undefined) return false
    let slotChanged = false
    let lookAt: Date | null | undefined
    for (let changes = 0; changes < changesMax; changes++) {
      const slot = (await lockSlot(trx, { instanceId: id })) ?? null
      lookAt ??= await stepOnLadder(trx, instance, slot, options.ladder)
      if (await stepUpgrade(trx, instance, slot, options.patience)) slotChanged = true
      const decision = decideInstance(instance, slot)
      if (decision.action.kind === 'none') {
        await record(trx, instance, slot, decision, lookAt)
        return slotChanged
      }
      const refused = await act(trx, decision.action, instance, slot, options)
      if (refused !== null) {
        await record(
          trx,
          instance,
          slot,
          { ...decision, status: 'failed', reason: refused, step: null },
          null,
        )
        return slotChanged
      }
      slotChanged = true
    }
    throw new Error(`instance ${id} does not settle`)
  })
}

async function act(
  trx: Trx,
  action: Exclude<InstanceDecision['action'], { kind: 'none' }>,
  instance: InstanceRow,
  slot: LoadedSlot | null,
  options: SettleOptions,
): Promise<Reason | null> {
  switch (action.kind) {
    case 'claim_slot':
      if (options.singleUser && (await otherPersonHolds(trx, options.pool.driver, instance.owner_user_id)))
        return singleUserReason
      await take(trx, instance, options.pool)
      return null
    case 'run_slot':
      await change(trx, slot, {
        wanted: 'running',
        ...startAfresh,
        // What it stood still is not held against new software.
        ...(slot?.upgrade_from
          ? { upgrade_until: addSeconds(slot.now, options.patience.upgradePatienceSeconds) }
          : {}),
      })
      return null
    case 'restart_slot':
      await change(trx, slot, {
        wanted: 'running',
        restart_generation: instance.restart_generation,
        ...startAfresh,
        // A restart has as long to become ready as a first start.
        not_ready_since: slot?.now ?? null,
      })
      return null
    case 'stop_slot':
      await change(trx, slot, {
        wanted: 'stopped',
        retry_at: null,
        pending_reason: null,
        waiting_since: null,
      })
      return null
    case 'suspend_slot':
      await change(trx, slot, { wanted: 'suspended', freeze_wanted: action.freeze, retry_at: null })
      return null
    case 'remove_slot':
      await change(trx, slot, { wanted: 'removed', state: 'terminating', retry_at: null })
      return null
    default:
      return impossible(action)
  }
}

/** What went wrong before does not count against a start that a person asked for. */
const startAfresh: SlotPatch = { failure_code: null, failure_message: null, attempts: 0, retry_at: null }

async function take(trx: Trx, instance: InstanceRow, pool: PoolOptions): Promise<void> {
  const slotId = await claimSlot(trx, instance, pool)
  await restoreIntoNewSlot(trx, instance, slotId)
  // A new slot has seen no restarts; it need not make up for those of the one before.
  const slot = await lockSlot(trx, { id: slotId })
  instance.restart_generation = slot?.restart_generation ?? 0
  await trx
    .updateTable('instances')
    .set({ restart_generation: instance.restart_generation, driver: slot?.driver ?? instance.driver })
    .where('id', '=', instance.id)
    .execute()
}

async function change(trx: Trx, slot: LoadedSlot | null, patch: SlotPatch): Promise<void> {
  if (slot === null) return
  await updateSlot(trx, slot.id, patch, { next_reconcile_at: sql`clock_timestamp()` })
  await notify(trx, 'slot_changed', slot.id)
}

const sessionEnds: Partial<Record<InstanceStatus, CloseReason>> = {
  stopped: 'stopped',
  stopping: 'stopped',
  suspended: 'suspended',
  failed: 'failed',
  deleting: 'deleted',
  deleted: 'deleted',
}

/** Writes the outcome if it says anything new, and opens or closes the session with it. */
async function record(
  trx: Trx,
  instance: InstanceRow & { now: Date },
  slot: LoadedSlot | null,
  decision: InstanceDecision,
  lookAt: Date | null,
): Promise<void> {
  const { status, reason } = decision
  const now = instance.now
  const pauseSeconds = backupSeconds[status]
  const backupAt = pauseSeconds === null ? null : addSeconds(now, pauseSeconds)
  const nextReconcileAt = lookAt === null || (backupAt && backupAt < lookAt) ? backupAt : lookAt
  await recordRuntimeState(trx, instance, slot, status)
  // Not only when the status is new: whoever wrote a wish has changed the status already.
  if (status === 'running') await openSession(trx, instance)
  const ends = sessionEnds[status]
  if (ends) await closeSession(trx, instance.id, ends, now)
  const steps = decision.step === null ? instance.steps : advanceSteps(instance.steps, decision.step, now)
  const same =
    instance.status === status &&
    instance.reason_code === (reason?.code ?? null) &&
    instance.reason_message === (reason?.message ?? null) &&
    JSON.stringify(instance.steps) === JSON.stringify(steps)
  if (same) {
    await trx
      .updateTable('instances')
      .set({ next_reconcile_at: nextReconcileAt })
      .where('id', '=', instance.id)
      .execute()
    return
  }
  await updateInstance(trx, instance.id, {
    status,
    reason_code: reason?.code ?? null,
    reason_message: reason?.message ?? null,
    steps,
    next_reconcile_at: nextReconcileAt,
    running_since: status === 'running' ? (instance.running_since ?? now) : null,
    deleted_at: status === 'deleted' ? now : null,
  })
}
