import { mkdtempSync, rmSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ageKeyPairs } from '../../../src/adapters/age/key-pairs.ts'
import { openLocalDisk } from '../../../src/adapters/local-disk/local-disk.ts'
import { openSecretBox } from '../../../src/adapters/secret-box/open.ts'
import { systemClock } from '../../../src/clock.ts'
import type { Database } from '../../../src/db/database.ts'
import type { BlobStore, DraftStore } from '../../../src/domain/backups/blob-store.ts'
import { type Backups, createBackups } from '../../../src/domain/backups/create.ts'
import type { SlotCaller } from '../../../src/domain/backups/take.ts'
import { registerSlotBackupRoutes } from '../../../src/http/routes/slot-backups.ts'
import { createServer } from '../../../src/http/server.ts'
import { newId } from '../../../src/ids.ts'
import { deliveryKeys } from '../../../src/slot-key.ts'
import { openLog } from '../../../src/telemetry/log.ts'
import {
  createBackups as createSlotBackups,
  type Backups as SlotBackups,
} from '../../../supervisor/backup/backups.ts'
import { type ControlClient, createControlClient } from '../../../supervisor/backup/control-client.ts'
import type { RunOpenClaw } from '../../../supervisor/backup/openclaw-source.ts'
import { insertInstance, insertOrganization } from '../../support/rows.ts'
import { testSecret } from '../../support/secret.ts'

/** The control plane's half of backups behind a real HTTP server, without the rest of it. */
export interface BackupPipeline extends Backups {
  origin: string
  storeDirectory: string
  local: BlobStore & DraftStore
  end(): Promise<void>
}

export interface BackupPipelineOptions {
  database: Database
  storeDirectory?: string
  remote?: BlobStore
  calls?: SlotCaller
  onRequest?(): void
  bytesMax?: number
  /** How many are kept. */
  checkpoints?: number
  wrap?(local: BlobStore & DraftStore): BlobStore & DraftStore
}

export async function startPipeline(options: BackupPipelineOptions): Promise<BackupPipeline> {
  const storeDirectory = options.storeDirectory ?? mkdtempSync(join(tmpdir(), 'reef-backup-store-'))
  const disk = openLocalDisk(storeDirectory)
  const local = options.wrap?.(disk) ?? disk
  const log = openLog('silent')
  const backups = createBackups({
    database: options.database,
    secret: testSecret,
    box: await openSecretBox(undefined, testSecret),
    keyPairs: ageKeyPairs,
    stores: { local, remote: options.remote ?? null },
    calls: options.calls ?? { call: () => Promise.reject(new Error('nobody is linked')) },
    clock: systemClock,
    log,
    schedule: null,
    retention: { localDays: 7, remoteDays: 30, checkpoints: options.checkpoints ?? 2 },
    drainSeconds: 0,
    checkpoints: true,
    bytesMax: options.bytesMax ?? 2 ** 30,
    drills: { slots: { driver: 'fake', specVersion: 'test' }, everyDays: 0 },
    start: () => Promise.reject(new Error('nothing can be started here')),
  })
  const server = await createServer({ log, version: 'test' })
  server.addHook('onRequest', async () => options.onRequest?.())
  await registerSlotBackupRoutes(server, {
    secret: testSecret,
    intake: backups.intake,
    restores: backups.restores,
  })
  await server.listen({ host: '127.0.0.1', port: 0 })
  return {
    ...backups,
    local: disk,
    storeDirectory,
    origin: `http://127.0.0.1:${(server.server.address() as AddressInfo).port}`,
    end: async () => {
      await backups.worker.stop()
      await server.close()
      if (!options.storeDirectory) rmSync(storeDirectory, { recursive: true, force: true })
    },
  }
}

export interface OwnedSlot {
  slotId: string
  instanceId: string
  userId: string
  organizationId: string
}

/** A person with an instance on a slot that is linked. */
export async function insertOwnedSlot(database: Database): Promise<OwnedSlot> {
  const owner = await insertOrganization(database)
  const { instanceId } = await insertInstance(database, owner)
  const slotId = newId()
  await database.asSystem((trx) =>
    trx
      .insertInto('slots')
      .values({
        id: slotId,
        driver: 'fake',
        state: 'assigned',
        instance_id: instanceId,
        spec_version: 'test',
        phase: 'running',
        ready: true,
        link_connected_at: new Date(),
      })
      .execute(),
  )
  return { slotId, instanceId, ...owner }
}

export function controlOf(origin: string, slotId: string): ControlClient {
  const slot = { baseUrl: '/slot', apiKey: deliveryKeys.of(testSecret, slotId) }
  return createControlClient(() => ({ origin, slot }), 5)
}

/** The supervisor's half; unless it is given a real OpenClaw, without one. */
export function slotBackupsOf(
  slotDirectory: string,
  control: ControlClient,
  runOpenClaw?: RunOpenClaw,
): SlotBackups {
  return createSlotBackups({
    places: { slotDirectory, configPath: 'openclaw.json' },
    control,
    runOpenClaw: runOpenClaw ?? (() => Promise.resolve({ code: 1, output: 'there is no OpenClaw here' })),
    countTurns: () => Promise.resolve(0),
    countConversations: () => Promise.resolve(1),
    openclawVersion: 'test',
    supervisorVersion: 'test',
    log: () => undefined,
  })
}
