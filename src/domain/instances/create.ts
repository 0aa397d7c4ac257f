import type { Database } from '../../db/database.ts'
import type { Listener } from '../../db/listen.ts'
import type { RootSecret } from '../../secrets.ts'
import type { Logger } from '../../telemetry/log.ts'
import type { LaunchCredits } from '../credits/runtime-launch.ts'
import { createSessionService, type SessionService } from '../sessions/service.ts'
import { createAdmission } from './admission.ts'
import { type Attendance, createAttendance } from './attendance.ts'
import type { ComputeDrivers, SlotPlan } from './drivers.ts'
import { type IdleSettings, idleTimesOf } from './idle-plans.ts'
import type { Archive } from './ladder.ts'
import { type LifecycleLimits, lifecycleLimits } from './limits.ts'
import type { PoolOptions } from './pool.ts'
import { createReconciler, type Reconciler, type ReconcilerTiming, reconcilerTiming } from './reconciler.ts'
import type { MemoryNeeds } from './room.ts'
import { createInstanceService, type InstanceService } from './service.ts'
import { createSlotWorker } from './slot-worker.ts'
import type { InstanceTargets, ModelCallers } from './target.ts'
import { createTargets } from './targets.ts'
import { createTrimmer } from './trim.ts'

export interface InstancesDeps {
  database: Database
  listener: Listener
  secret: RootSecret
  log: Logger
  /** This control plane: a new id at each start, and where others reach it. */
  nodeId: string
  internalUrl: string
  drivers: ComputeDrivers
  plan: SlotPlan
  poolSize: number
  /** Let several people have instances although the driver isolates nothing. */
  multiUser: boolean
  /** An instance's own address, by its slug. */
  addressOf(slug: string): string
  /** What the operator set of the idle times; the rest is as the plans say. */
  idle?: IdleSettings
  archive?: Archive
  /** Tests let instances take less. */
  memoryNeeds?: MemoryNeeds
  /** Throws when an instance could not be backed up before its upgrade. */
  backUpBeforeUpgrade?: (instanceId: string) => Promise<void>
  /** Whether there are credits to start; without it everything starts. */
  launchCredits?: LaunchCredits
  /** What differs from the usual; tests shorten these. */
  limits?: Partial<LifecycleLimits>
  timing?: Partial<ReconcilerTiming> & { leaseSeconds?: number }
}

export interface Instances {
  service: InstanceService
  sessions: SessionService
  targets: InstanceTargets
  callers: ModelCallers
  reconciler: Reconciler
  attendance: Attendance
  /** Stops listening for hints; after it, targets and callers are no longer kept fresh. */
  close(): Promise<void>
}

const leaseSeconds = 30
const poolAgeSecondsMax = 24 * 3600
/** A first turn takes about one second on a machine that does nothing else; people read and type after it. */
const refillPauseSeconds = 5
/** What OpenClaw gets to end its turns when it is stopped; long enough for most, short enough for a click. */
const stopGraceSeconds = 20
/** Drivers mostly wait, so many slots fit beside each other; the bound is for the machine that boots them. */
const concurrencyMax = 16

/** Everything about instances, wired. Nothing runs before `reconciler.start()`. */
export function createInstances(deps: InstancesDeps): Instances {
  const { database, listener, log, secret, drivers, plan, nodeId } = deps
  const limits = { ...lifecycleLimits, ...deps.limits }
  const timing = { ...reconcilerTiming, ...deps.timing }
  const pool: PoolOptions = {
    driver: drivers.current.name,
    specVersion: plan.specVersion,
    size: deps.poolSize,
    ageSecondsMax: poolAgeSecondsMax,
    refillPauseSeconds: drivers.current.capabilities.isolation === 'none' ? refillPauseSeconds : 0,
    nodeSilenceSecondsMax: timing.heartbeatSeconds * 3,
  }
  const singleUser = drivers.current.capabilities.isolation === 'none' && !deps.multiUser
  // What an earlier configuration made is left as it is until somebody uses it.
  const capabilitiesOf = (name: string) =>
    name === drivers.current.name ? drivers.current.capabilities : { suspend: false, freeze: false }
  const worker = createSlotWorker({
    database,
    secret,
    log,
    nodeId,
    drivers,
    plan,
    limits,
    admission: createAdmission({ database, needs: deps.memoryNeeds }),
    leaseSeconds: timing.leaseSeconds ?? leaseSeconds,
    stopGraceSeconds,
    onInstanceSlotChanged: (instanceId) => reconciler.settle(instanceId),
  })
  const reconciler = createReconciler({
    database,
    listener,
    log,
    node: { id: nodeId, internalUrl: deps.internalUrl, specVersion: plan.specVersion },
    drivers,
    worker,
    pool,
    settle: {
      pool,
      singleUser,
      ladder: {
        timesOf: (plan) => idleTimesOf(plan, deps.idle ?? {}),
        capabilitiesOf,
        archive: deps.archive,
      },
      patience: limits,
    },
    trim: createTrimmer({ database, drivers, log }),
    timing,
    concurrencyMax,
    stopGraceSeconds,
  })
  const service = createInstanceService({
    database,
    drivers,
    view: {
      addressOf: deps.addressOf,
      isolationOf: drivers.isolationOf,
      canSuspend: (name) => capabilitiesOf(name).suspend,
      isOutdated: (name, specVersion) => name === drivers.current.name && specVersion !== plan.specVersion,
    },
    singleUser,
    specVersion: plan.specVersion,
    backUpBeforeUpgrade: deps.backUpBeforeUpgrade,
    launchCredits: deps.launchCredits,
    settle: (instanceId) => reconciler.settle(instanceId),
  })
  const targets = createTargets({ database, listener })
  const attendance = createAttendance({
    database,
    log,
    launchCredits: deps.launchCredits,
    settle: (instanceId) => reconciler.settle(instanceId),
  })
  return {
    service,
    sessions: createSessionService({ database, instances: service }),
    targets,
    callers: targets,
    reconciler,
    attendance,
    close: async () => {
      await attendance.close()
      targets.close()
    },
  }
}
