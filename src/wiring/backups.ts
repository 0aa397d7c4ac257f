import { join } from 'node:path'
import { ageKeyPairs } from '../adapters/age/key-pairs.ts'
import { openLocalDisk } from '../adapters/local-disk/local-disk.ts'
import type { Clock } from '../clock.ts'
import { planDiskBytes } from '../compute/docker/settings.ts'
import type { Config } from '../config.ts'
import type { Database } from '../db/database.ts'
import type { Authenticator } from '../domain/accounts/principal.ts'
import type { BlobStore } from '../domain/backups/blob-store.ts'
import { type Backups, createBackups } from '../domain/backups/create.ts'
import type { BackupSchedule } from '../domain/backups/schedule.ts'
import type { SlotCaller } from '../domain/backups/take.ts'
import type { InstanceService } from '../domain/instances/service.ts'
import type { SecretBox } from '../domain/secrets/secret-box.ts'
import { registerBackupRoutes } from '../http/routes/backups.ts'
import { registerSlotBackupRoutes } from '../http/routes/slot-backups.ts'
import type { Server } from '../http/server.ts'
import type { RootSecret } from '../secrets.ts'
import type { Logger } from '../telemetry/log.ts'

export interface OpenBackupsDeps {
  config: Config
  database: Database
  secret: RootSecret
  box: SecretBox
  calls: SlotCaller
  instances: Pick<InstanceService, 'start'>
  /** What new slots are made of. */
  slots: { driver: string; specVersion: string }
  authenticator: Authenticator
  clock: Clock
  log: Logger
}

/** Backups as the settings want them, with their routes. */
export async function openBackups(server: Server, deps: OpenBackupsDeps): Promise<Backups> {
  const { config, authenticator, secret } = deps
  const backups = createBackups({
    ...deps,
    keyPairs: ageKeyPairs,
    stores: {
      local: openLocalDisk(config.REEF_BACKUP_DIR ?? join(config.REEF_DATA_DIR, 'backups')),
      remote: await openRemote(config),
    },
    schedule: scheduleOf(config),
    retention: {
      localDays: config.REEF_BACKUP_LOCAL_DAYS,
      remoteDays: config.REEF_BACKUP_REMOTE_DAYS,
      checkpoints: 2,
    },
    drainSeconds: config.REEF_BACKUP_DRAIN_SECONDS,
    checkpoints: config.REEF_BACKUP_CHECKPOINTS,
    bytesMax: backupBytesMax(config),
    drills: { slots: deps.slots, everyDays: config.REEF_BACKUP_DRILL_DAYS },
    start: deps.instances.start,
  })
  registerBackupRoutes(server, { authenticator, backups: backups.service })
  await registerSlotBackupRoutes(server, { secret, intake: backups.intake, restores: backups.restores })
  return backups
}

/** The SDK is loaded only where a bucket is named: it takes memory and time. */
export async function openRemote(config: Config): Promise<BlobStore | null> {
  if (!config.REEF_BACKUP_S3_BUCKET) return null
  const { openS3 } = await import('../adapters/s3/s3.ts')
  const { REEF_BACKUP_S3_ACCESS_KEY_ID: id, REEF_BACKUP_S3_SECRET_ACCESS_KEY: key } = config
  if ((id === undefined) !== (key === undefined))
    throw new Error('Set both REEF_BACKUP_S3_ACCESS_KEY_ID and REEF_BACKUP_S3_SECRET_ACCESS_KEY, or neither.')
  return openS3({
    bucket: config.REEF_BACKUP_S3_BUCKET,
    prefix: config.REEF_BACKUP_S3_PREFIX,
    region: config.REEF_BACKUP_S3_REGION,
    endpoint: config.REEF_BACKUP_S3_ENDPOINT,
    credentials: id && key ? { accessKeyId: id, secretAccessKey: key } : undefined,
  })
}

/** What an instance can have saved is bounded by its disk, which a fast writer may fill beyond its limit. */
export function backupBytesMax(config: Config): number {
  const diskBytes = planDiskBytes(config) ?? Number.POSITIVE_INFINITY
  return Math.min(config.REEF_BACKUP_GIBIBYTES_MAX * 2 ** 30, 2 * diskBytes)
}

function scheduleOf(config: Config): BackupSchedule | null {
  if (config.REEF_BACKUP_AT === 'never') return null
  const [hours = 0, minutes = 0] = config.REEF_BACKUP_AT.split(':').map(Number)
  return { minuteOfDay: hours * 60 + minutes, jitterMinutes: config.REEF_BACKUP_JITTER_MINUTES }
}
