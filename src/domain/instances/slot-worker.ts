import { type RawBuilder, sql } from 'kysely'
import type { Database, Trx } from '../../db/database.ts'
import { notify } from '../../db/notify.ts'
import { impossible } from '../../errors.ts'
import type { RootSecret } from '../../secrets.ts'
import { sha256 } from '../../secrets.ts'
import type { Logger } from '../../telemetry/log.ts'
import type { Admission } from './admission.ts'
import { type ComputeDriver, ComputeError, type Handle } from './compute.ts'
import type { ComputeDrivers, SlotPlan } from './drivers.ts'
import type { LifecycleLimits } from './limits.ts'
import {
  afterEnsure,
  afterError,
  afterFind,
  afterFreeze,
  afterFreezeError,
  afterObserve,
  afterRemove,
  afterResume,
  afterStop,
  afterSuspend,
  beforeEnsure,
  decideSlot,
  needsBootstrap,
  type SlotAction,
  type SlotPatch,
} from './slot-lifecycle.ts'
import { type LoadedSlot, lockSlot, secondsFromNow, updateSlot, wakeFirstInQueue } from './store.ts'
import { unlessNeeded } from './unless-needed.ts'

export interface SlotWorkerDeps {
  database: Database
  secret: RootSecret
  log: Logger
  nodeId: string
  drivers: ComputeDrivers
  plan: SlotPlan
  limits: LifecycleLimits
  admission: Admission
  /** A worker that dies is replaced after this; a living one renews its lease well before. */
  leaseSeconds: number
  stopGraceSeconds: number
  /** Called after a change to a slot that an instance has, or had until it was removed. */
  onInstanceSlotChanged(instanceId: string): Promise<void>
}

export interface SlotWorker {
  /** Takes the lease of up to `count` slots that are due and that nobody holds. */
  claimDue(count: number): Promise<string[]>
  /** Works on a claimed slot until there is nothing to do for it, then gives the lease back. Never throws. */
  work(slotId: string): Promise<void>
}

/** What a step did: how the row changes, worked out on the row as it is by then. */
type Change = (slot: LoadedSlot) => SlotPatch

interface Saved {
  slot: LoadedSlot
  action: Exclude<SlotAction, { kind: 'change' }>
}

/** Actions that reach out to the driver. */
type Call = Exclude<SlotAction, { kind: 'wait' } | { kind: 'change' }>

const bootstrapMinutes = 60
// Longer chains mean that a driver contradicts itself; the slot then waits for its next turn like any other.
const stepsMax = 12

export function createSlotWorker(deps: SlotWorkerDeps): SlotWorker {
  const { database, limits, nodeId } = deps
  const working = new Set<string>()

  const claimDue = async (count: number): Promise<string[]> => {
    if (count <= 0) return []
    const { rows } = await database.asSystem((trx) =>
      sql<{ id: string }>`
        update slots set lease_owner = ${nodeId},
          lease_until = clock_timestamp() + make_interval(secs => ${deps.leaseSeconds}),
          next_reconcile_at = clock_timestamp() + make_interval(secs => ${deps.leaseSeconds})
        where id in (
          select id from slots
          where next_reconcile_at <= clock_timestamp() and (lease_until is null or lease_until < clock_timestamp())
            and id <> all(${[...working]}::uuid[])
          order by next_reconcile_at limit ${count} for update skip locked)
        returning id`.execute(trx),
    )
    for (const { id } of rows) working.add(id)
    return rows.map((row) => row.id)
  }

  /**
   * Applies a change if this worker still holds the slot, then whatever else is only a change of the row, and says what
   * is to be done next. All in one transaction: decided on a row that somebody claims meanwhile, it would be wrong.
   */
  const save = async (slotId: string, change: Change): Promise<Saved | undefined> => {
    const saved = await database.asSystem(async (trx) => {
      const before = await lockSlot(trx, { id: slotId })
      if (before === undefined || before.lease_owner !== nodeId) return undefined
      let patch = change(before)
      let slot: LoadedSlot = { ...before, ...patch }
      let action = decideSlot(slot, slot.now, limits)
      while (action.kind === 'change') {
        patch = { ...patch, ...action.patch }
        slot = { ...slot, ...action.patch }
        action = decideSlot(slot, slot.now, limits)
      }
      if (Object.keys(patch).length > 0) await updateSlot(trx, slotId, patch)
      if (action.kind === 'wait') await release(trx, slotId, action.until)
      if (visible(before, slot)) await notify(trx, 'slot_changed', slotId)
      if (freedCapacity(before, slot)) await wakeFirstInQueue(trx, slot.driver)
      return { slot, action, instanceId: before.instance_id }
    })
    if (saved?.instanceId) await deps.onInstanceSlotChanged(saved.instanceId)
    return saved
  }

  const work = async (slotId: string): Promise<void> => {
    const renewal = setInterval(
      () => void renew(slotId).catch((error) => deps.log.warn({ err: error, slotId }, 'lease not renewed')),
      (deps.leaseSeconds * 1000) / 3,
    )
    try {
      let next = await save(slotId, () => ({}))
      for (let steps = 0; next && next.action.kind !== 'wait'; steps++) {
        if (steps >= stepsMax) {
          await database.asSystem((trx) => release(trx, slotId, secondsFromNow(1), nodeId))
          break
        }
        next = await save(slotId, await perform(next.slot, next.action))
      }
    } catch (error) {
      // The database is away, or this is a bug: the next worker starts from the stored row.
      deps.log.error({ err: error, slotId }, 'slot worker failed')
      await giveBack(slotId)
    } finally {
      clearInterval(renewal)
      working.delete(slotId)
    }
  }

  /** So that a short outage costs no whole lease. Should this fail too, the lease runs out. */
  const giveBack = async (slotId: string): Promise<void> => {
    for (const pauseMilliseconds of [50, 200, 800, 3200]) {
      await new Promise((done) => setTimeout(done, pauseMilliseconds))
      const given = await database
        .asSystem((trx) => release(trx, slotId, secondsFromNow(0), nodeId))
        .then(
          () => true,
          () => false,
        )
      if (given) return
    }
  }

  const renew = (slotId: string) =>
    database.asSystem((trx) =>
      sql`update slots set lease_until = clock_timestamp() + make_interval(secs => ${deps.leaseSeconds}),
          next_reconcile_at = clock_timestamp() + make_interval(secs => ${deps.leaseSeconds})
        where id = ${slotId} and lease_owner = ${nodeId}`.execute(trx),
    )

  /** Carries out one action, without any transaction open, and says how the row changes by it. */
  const perform = async (slot: LoadedSlot, action: Call): Promise<Change> => {
    try {
      const driver = await deps.drivers.get(slot.driver)
      return await call(driver, slot, action)
    } catch (error) {
      const known = error instanceof ComputeError ? error : unforeseen(error)
      deps.log.warn({ err: error, slotId: slot.id, action: action.kind }, 'compute driver failed')
      if (action.kind === 'freeze_machine') return (fresh) => afterFreezeError(fresh.now, limits)
      return (fresh) => afterError(fresh, known, fresh.now, limits)
    }
  }

  const call = async (driver: ComputeDriver, slot: LoadedSlot, action: Call): Promise<Change> => {
    // The core stored what the driver gave; only the driver knows its inside.
    const handle = slot.handle as Handle
    switch (action.kind) {
      case 'ensure_machine': {
        // An earlier call may have made it already; then it has its room.
        if (action.boot === 'fresh') await deps.admission.admit(driver, slot, 'boot')
        const prepared = await prepareEnsure(slot.id)
        if (prepared === undefined) return () => ({})
        const made = await driver.ensure(
          { slotId: slot.id, ...deps.plan, specVersion: slot.spec_version, ...prepared },
          slot.handle as Handle | null,
        )
        return (fresh) => afterEnsure(fresh, made, fresh.now)
      }
      case 'observe': {
        const seen = await driver.observe(handle)
        return (fresh) => afterObserve(fresh, seen, fresh.now, limits)
      }
      case 'stop_machine':
        await driver.stop(handle, {
          graceSeconds: Math.min(deps.stopGraceSeconds, driver.capabilities.stopGraceSecondsMax),
        })
        return (fresh) => afterStop(fresh.now)
      case 'suspend_machine':
        if (!driver.suspend) throw new ComputeError('rejected', `The driver ${driver.name} cannot suspend.`)
        await driver.suspend(handle)
        return (fresh) => afterSuspend(fresh.now)
      case 'resume_machine':
        if (!driver.resume) throw new ComputeError('rejected', `The driver ${driver.name} cannot resume.`)
        await deps.admission.admit(driver, slot, 'resume')
        await driver.resume(handle)
        return (fresh) => afterResume(fresh, fresh.now)
      case 'freeze_machine': {
        if (!driver.freeze) throw new ComputeError('rejected', `The driver ${driver.name} cannot freeze.`)
        const frozen = driver.freeze(handle, { tier: action.tier }).then(() => true)
        const done = await unlessNeeded(database, slot.id, frozen)
        return () => (done ? afterFreeze(action.tier) : {})
      }
      case 'find_machine': {
        const found = (await driver.list()).find((listed) => listed.slotId === slot.id)
        return () => afterFind(found?.handle)
      }
      case 'remove_machine':
        await driver.remove(handle)
        return () => afterRemove()
      default:
        return impossible(action)
    }
  }

  /**
   * Stores that the machine is about to be asked for, and gives the token for it. The token is derived from a serial
   * number in the row, so a call that is repeated because its reply was lost carries the same one, and only its hash is
   * kept. Undefined when the machine is no longer wanted: somebody stopped it since that was decided.
   */
  const prepareEnsure = (slotId: string): Promise<{ bootstrapToken: string | null } | undefined> =>
    database.asSystem(async (trx) => {
      const slot = await lockSlot(trx, { id: slotId })
      if (slot === undefined || slot.lease_owner !== nodeId) return undefined
      const action = decideSlot(slot, slot.now, limits)
      if (action.kind !== 'ensure_machine') return undefined
      const renewed = action.boot === 'fresh' && needsBootstrap(slot)
      const serial = slot.bootstrap_serial + (renewed ? 1 : 0)
      const token = deps.secret.deriveToken('bootstrap token', `${slotId} ${serial}`)
      // A token that was used is no longer stored, and the machine that used it has a credential of its own.
      const outstanding = renewed || (serial > 0 && slot.bootstrap_hash !== null)
      await updateSlot(trx, slotId, beforeEnsure(slot, action.boot, slot.now), {
        bootstrap_serial: serial,
        ...(outstanding
          ? { bootstrap_hash: sha256(token), bootstrap_expires_at: secondsFromNow(bootstrapMinutes * 60) }
          : {}),
      })
      return { bootstrapToken: outstanding ? token : null }
    })

  return { claimDue, work }
}

/** Gives the lease back. The row's change and this are one transaction, so no wake-up between them is lost. */
async function release(
  trx: Trx,
  slotId: string,
  until: Date | RawBuilder<Date> | null,
  holderId?: string,
): Promise<void> {
  await trx
    .updateTable('slots')
    .set({ lease_owner: null, lease_until: null, next_reconcile_at: until })
    .where('id', '=', slotId)
    .$if(holderId !== undefined, (query) => query.where('lease_owner', '=', holderId ?? null))
    .execute()
}

/** Anything that a link, a dashboard or another control plane would act on. */
function visible(before: LoadedSlot, after: LoadedSlot): boolean {
  return (
    before.state !== after.state ||
    before.phase !== after.phase ||
    before.address !== after.address ||
    before.pending_reason !== after.pending_reason ||
    before.failure_code !== after.failure_code
  )
}

function freedCapacity(before: LoadedSlot, after: LoadedSlot): boolean {
  const served = before.waiting_since !== null && after.waiting_since === null
  const ended =
    before.phase !== after.phase &&
    ['absent', 'exited', 'failed'].includes(after.phase) &&
    before.handle !== null
  return served || ended
}

/** Something that the driver did not foresee is taken for passing: what exists stays, and the call is repeated. */
function unforeseen(error: unknown): ComputeError {
  return new ComputeError('unavailable', error instanceof Error ? error.message : String(error), error)
}
