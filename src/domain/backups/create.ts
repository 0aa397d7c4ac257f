import type { Clock } from '../../clock.ts'
import type { Database } from '../../db/database.ts'
import type { RootSecret } from '../../secrets.ts'
import type { Logger } from '../../telemetry/log.ts'
import type { Principal } from '../accounts/principal.ts'
import type { SecretBox } from '../secrets/secret-box.ts'
import { createAlarms } from './alarms.ts'
import { awaitLink } from './await-link.ts'
import { type DrillsDeps, runDrills } from './drills.ts'
import { type BackupIntake, createIntake } from './intake.ts'
import { createBackupKeys, type KeyPairs } from './keys.ts'
import { createRestoreOrders, type RestoreOrders } from './restore-orders.ts'
import type { BackupSchedule } from './schedule.ts'
import { type BackupService, createBackupService } from './service.ts'
import { createManifestSigner } from './signing.ts'
import type { BackupStores } from './stores.ts'
import { applyRetention, type RetentionTimes } from './sweep.ts'
import { type BackupTaker, createTaker, type SlotCaller } from './take.ts'
import { type BackupWorker, createBackupWorker } from './worker.ts'

export interface Backups {
  service: BackupService
  intake: BackupIntake
  restores: RestoreOrders
  worker: BackupWorker
  /** For upgrades: resolves when the backup is complete, throws when there can be none. */
  backUp: BackupTaker['backUp']
  /**
   * The same before an upgrade. One that does not run goes with the backups that it has: its machine keeps its state, and
   * one that fails may need just this upgrade.
   */
  backUpBeforeUpgrade(instanceId: string): Promise<void>
}

export interface BackupsDeps {
  database: Database
  secret: RootSecret
  box: SecretBox
  keyPairs: KeyPairs
  stores: BackupStores
  calls: SlotCaller
  clock: Clock
  log: Logger
  /** Null: only on demand. */
  schedule: BackupSchedule | null
  retention: RetentionTimes
  /** How long a backup waits for turns in flight before it goes on. */
  drainSeconds: number
  bytesMax: number
  /** Save what each turn changed. */
  checkpoints: boolean
  drills: Pick<DrillsDeps, 'slots' | 'everyDays'>
  start(principal: Principal, instanceId: string): Promise<unknown>
}

/** A supervisor tries again every few seconds; one that stays away longer has no machine that runs. */
const linkSecondsMax = 30

/** The taker's codes for an instance that cannot be asked for a backup, because it does not run. */
const standsStill = ['instance_not_running', 'backup_outdated']

/** Everything about backups, wired. Nothing runs before `worker.start()`. */
export function createBackups(deps: BackupsDeps): Backups {
  const { database, stores, log } = deps
  const signer = createManifestSigner(deps.secret)
  const keys = createBackupKeys(deps)
  const alarms = createAlarms(database)
  const unheeded = (change: Promise<void>): void => {
    change.catch((error: unknown) => log.warn({ err: error }, 'an alarm could not be raised or cleared'))
  }
  const taker = createTaker({ ...deps, keys, alarms })
  const worker = createBackupWorker({
    ...deps,
    taker,
    signer,
    alarms,
    drill: () => runDrills({ database, alarms, ...deps.drills }),
  })
  return {
    service: createBackupService({
      ...deps,
      taker,
      kick: () => worker.kick(),
      drills: deps.drills.everyDays > 0,
    }),
    intake: createIntake({
      database,
      stores,
      keys,
      signer,
      checkpoints: deps.checkpoints,
      bytesMax: deps.bytesMax,
      onComplete: (instanceId) => {
        worker.kick()
        // At once, since every turn brings a checkpoint that replaces another.
        applyRetention(database, stores, deps.retention, deps.clock.now(), instanceId).catch(
          (error: unknown) => log.warn({ err: error }, 'old checkpoints were not removed'),
        )
      },
    }),
    restores: createRestoreOrders({
      database,
      stores,
      keys,
      signer,
      onEnd: () => worker.kick(),
      onSuccess: (instanceId) => unheeded(alarms.clear('content_missing', instanceId)),
      onMissing: (restore) => {
        log.warn({ instanceId: restore.instanceId }, restore.message)
        unheeded(alarms.raise({ kind: 'content_missing', ...restore }))
      },
      onFailure: ({ organizationId, instanceId, message, drill }) => {
        const kind = drill ? 'drill_failed' : 'restore_failed'
        unheeded(alarms.raise({ kind, organizationId, instanceId, message }))
      },
    }),
    worker,
    backUp: taker.backUp,
    backUpBeforeUpgrade: async (instanceId) => {
      await awaitLink(database, instanceId, linkSecondsMax)
      await taker.backUp(instanceId, 'before_upgrade').catch((error: unknown) => {
        if (!standsStill.includes((error as { code?: string }).code ?? '')) throw error
      })
    },
  }
}
