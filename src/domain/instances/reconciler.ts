import { sql } from 'kysely'
import type { Database } from '../../db/database.ts'
import type { Listener } from '../../db/listen.ts'
import type { Logger } from '../../telemetry/log.ts'
import type { ComputeDrivers } from './drivers.ts'
import { announceNode, type PoolOptions, tendPool } from './pool.ts'
import { type SettleOptions, settleInstance } from './settle-instance.ts'
import type { SlotWorker } from './slot-worker.ts'
import { stopMachines } from './stop-machines.ts'
import { createSweeper } from './sweep.ts'
import { every } from './timers.ts'

export interface ReconcilerTiming {
  /** Backup for lost hints, and what moves rows that are due by time. */
  pollSeconds: number
  /** How often the driver's list is compared with the table. */
  sweepSeconds: number
  heartbeatSeconds: number
  poolSeconds: number
}

export const reconcilerTiming: ReconcilerTiming = {
  pollSeconds: 1,
  sweepSeconds: 60,
  heartbeatSeconds: 5,
  poolSeconds: 5,
}

export interface ReconcilerDeps {
  database: Database
  listener: Listener
  log: Logger
  node: { id: string; internalUrl: string; specVersion: string }
  drivers: ComputeDrivers
  worker: SlotWorker
  pool: PoolOptions
  settle: SettleOptions
  /** Takes unused memory from those that are awake. */
  trim(): Promise<void>
  timing: ReconcilerTiming
  /** Slots worked on at once; each may wait for a driver. */
  concurrencyMax: number
  stopGraceSeconds: number
}

/** Makes what is into what should be. Any number of control planes may run one on the same database. */
export interface Reconciler {
  /** Resolves once this control plane is announced and the pool has been looked at. */
  start(): Promise<void>
  /** Takes on nothing more and waits for what is under way. Instances keep running. */
  stop(): Promise<void>
  /** Settles one instance now, in the caller's time. */
  settle(instanceId: string): Promise<void>
  /**
   * After `stop`: stops the machines of the current driver, for a Reef whose database ends with it. What people want
   * is unchanged, so the next start boots them again.
   */
  stopAllMachines(): Promise<void>
}

export function createReconciler(deps: ReconcilerDeps): Reconciler {
  const { database, log, worker } = deps
  const running = new Set<Promise<unknown>>()
  const stops: (() => Promise<void> | void)[] = []
  let started = false
  let slotsWanted = false
  let claiming = false
  let free = deps.concurrencyMax

  const track = <T>(work: Promise<T>): Promise<T> => {
    running.add(work)
    void work.finally(() => running.delete(work)).catch(() => undefined)
    return work
  }

  /** Claims due slots until none is due or all hands are busy; a wake-up during a claim leads to one more. */
  const wakeSlots = (): void => {
    slotsWanted = true
    if (claiming || !started) return
    claiming = true
    void track(
      (async () => {
        while (slotsWanted && started && free > 0) {
          slotsWanted = false
          const ids = await worker.claimDue(free)
          for (const id of ids) void track(workOn(id))
        }
      })()
        .catch((error) => log.warn({ err: error }, 'due slots could not be claimed'))
        .finally(() => {
          claiming = false
        }),
    )
  }

  const workOn = async (slotId: string): Promise<void> => {
    free -= 1
    await worker.work(slotId)
    free += 1
    wakeSlots()
  }

  const settle = async (instanceId: string): Promise<void> => {
    if (await settleInstance(database, instanceId, deps.settle)) wakeSlots()
  }

  const settleQuietly = (instanceId: string): Promise<void> =>
    settle(instanceId).catch((error) => log.warn({ err: error, instanceId }, 'instance not settled'))

  const settleDue = async (): Promise<void> => {
    const due = await database.asSystem((trx) =>
      trx
        .selectFrom('instances')
        .select('id')
        .where('next_reconcile_at', '<=', sql<Date>`clock_timestamp()`)
        .orderBy('next_reconcile_at')
        .limit(100)
        .execute(),
    )
    for (const { id } of due) if (started) await settleQuietly(id)
  }

  const tend = async (): Promise<void> => {
    if ((await tendPool(database, deps.node.id, deps.pool)) > 0) wakeSlots()
  }

  /** Hints come in bursts; they are gathered for a moment and looked up together. */
  const hinted = new Set<string>()
  const lookUpHinted = async (): Promise<void> => {
    const ids = [...hinted]
    hinted.clear()
    if (ids.length === 0) return
    const slots = await database.asSystem(async (trx) => {
      // What a supervisor reported can make a slot due: it is ready, or no longer is, or its link is gone.
      await sql`update slots set next_reconcile_at = clock_timestamp()
        where id = any(${ids}::uuid[]) and lease_owner is null and next_reconcile_at > clock_timestamp()
          and wanted = 'running' and retry_at is null
          and (failure_code is not null and state <> 'assigned'
            or ready = (not_ready_since is not null)
            or (state = 'initializing' and ready and warm)
            or (ready and link_connected_at is null
              and (observed_at is null or observed_at < clock_timestamp() - interval '1 second')))`.execute(
        trx,
      )
      return trx.selectFrom('slots').select('instance_id').where('id', 'in', ids).execute()
    })
    wakeSlots()
    for (const { instance_id } of slots) if (instance_id && started) await settleQuietly(instance_id)
    poolTimer?.wake()
  }

  let poolTimer: ReturnType<typeof every> | undefined

  const start = async (): Promise<void> => {
    await announceNode(database, deps.node)
    started = true
    const { timing } = deps
    const failed = (what: string) => (error: unknown) =>
      log.warn({ err: error }, `${what} failed; it is tried again`)
    const timers = [
      every(timing.heartbeatSeconds, () => announceNode(database, deps.node), failed('heartbeat')),
      every(timing.pollSeconds, settleDue, failed('poll')),
      every(timing.sweepSeconds, createSweeper({ ...deps, onDue: wakeSlots }), failed('sweep')),
      every(timing.sweepSeconds, deps.trim, failed('trimming')),
    ]
    const slotPoll = setInterval(wakeSlots, timing.pollSeconds * 1000)
    poolTimer = every(timing.poolSeconds, tend, failed('pool'))
    const hintTimer = every(timing.pollSeconds, lookUpHinted, failed('look-up of hints'))
    const everything = () => {
      wakeSlots()
      for (const timer of timers) timer.wake()
      poolTimer?.wake()
    }
    const unsubscribe = deps.listener.subscribe('slot_changed', {
      onHint: (id) => {
        hinted.add(id)
        hintTimer.wake()
      },
      onReconnect: everything,
    })
    stops.push(unsubscribe, () => clearInterval(slotPoll))
    for (const timer of [...timers, poolTimer, hintTimer]) stops.push(timer.stop)
    everything()
  }

  const stop = async (): Promise<void> => {
    started = false
    await Promise.all(stops.splice(0).map((end) => end()))
    while (running.size > 0) await Promise.allSettled(running)
    await database
      .asSystem((trx) => trx.deleteFrom('nodes').where('id', '=', deps.node.id).execute())
      .catch((error) => log.warn({ err: error }, 'this control plane could not sign off'))
  }

  return {
    start,
    stop,
    settle,
    stopAllMachines: async () => {
      const instanceIds = await stopMachines(deps)
      await Promise.all(instanceIds.map(settleQuietly))
    },
  }
}
