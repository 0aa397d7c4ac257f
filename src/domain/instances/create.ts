import type { Database } from '../../db/database.ts'
import type { Listener } from '../../db/listen.ts'
import type { RootSecret } from '../../secrets.ts'
import type { Logger } from '../../telemetry/log.ts'
import { createSessionService, type SessionService } from '../sessions/service.ts'
import type { ComputeDrivers, SlotPlan } from './drivers.ts'
import { type LifecycleLimits, lifecycleLimits } from './limits.ts'
import type { PoolOptions } from './pool.ts'
import { createReconciler, type Reconciler, type ReconcilerTiming, reconcilerTiming } from './reconciler.ts'
import { createInstanceService, type InstanceService } from './service.ts'
import { createSlotWorker } from './slot-worker.ts'
import type { InstanceTargets, ModelCallers } from './target.ts'
import { createTargets } from './targets.ts'

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
  /** Tests shorten these. */
  limits?: Partial<LifecycleLimits>
  timing?: Partial<ReconcilerTiming> & { leaseSeconds?: number }
}

export interface Instances {
  service: InstanceService
  sessions: SessionService
  targets: InstanceTargets
  callers: ModelCallers
  reconciler: Reconciler
  /** Stops listening for hints; after it, targets and callers are no longer kept fresh. */
  close(): void
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
  const worker = createSlotWorker({
    database,
    secret,
    log,
    nodeId,
    drivers,
    plan,
    limits,
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
    settle: { pool, singleUser },
    timing,
    concurrencyMax,
    stopGraceSeconds,
  })
  const service = createInstanceService({
    database,
    drivers,
    view: { addressOf: deps.addressOf, isolationOf: drivers.isolationOf },
    singleUser,
    settle: (instanceId) => reconciler.settle(instanceId),
  })
  const targets = createTargets({ database, listener })
  return {
    service,
    sessions: createSessionService({ database, instances: service }),
    targets,
    callers: targets,
    reconciler,
    close: () => targets.close(),
  }
}
