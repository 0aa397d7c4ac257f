import { rmSync } from 'node:fs'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { openLocalDisk } from '../../src/adapters/local-disk/local-disk.ts'
import { createArchive } from '../../src/domain/backups/archive.ts'
import type { BlobStore } from '../../src/domain/backups/blob-store.ts'
import { runDrills } from '../../src/domain/backups/drills.ts'
import { applyRetention, removeUnknown } from '../../src/domain/backups/sweep.ts'
import { requestScheduled } from '../../src/domain/backups/timetable.ts'
import { newId } from '../../src/ids.ts'
import type { BackupOrder } from '../../supervisor/backup/backups.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { eventually } from '../support/eventually.ts'
import {
  type BackupPipeline,
  controlOf,
  insertOwnedSlot,
  type OwnedSlot,
  slotBackupsOf,
  startPipeline,
} from './support/pipeline.ts'
import { insertCompleteBackup } from './support/rows.ts'
import { createSlotState, type SlotState } from './support/slot-state.ts'
import { listAll } from './support/store-contract.ts'

let database: TestDatabase
let slot: OwnedSlot
let state: SlotState
beforeAll(async () => {
  database = await createTestDatabase()
  state = createSlotState()
  state.write('a turn')
})
beforeEach(async () => {
  slot = await insertOwnedSlot(database)
})
afterEach(() =>
  database.asSystem(async (trx) => {
    for (const table of [
      'backup_alarms',
      'backup_drills',
      'restores',
      'backup_schedules',
      'backups',
      'slots',
    ] as const)
      await trx.deleteFrom(table).execute()
    await trx.deleteFrom('instances').execute()
  }),
)
afterAll(async () => {
  state.close()
  rmSync(state.directory, { recursive: true, force: true })
  await database.drop()
})

const rows = () =>
  database.asSystem((trx) => trx.selectFrom('backups').selectAll().orderBy('requested_at').execute())
const alarms = () =>
  database.asSystem((trx) =>
    trx.selectFrom('backup_alarms').select('kind').where('cleared_at', 'is', null).execute(),
  )

async function takeOne(pipeline: BackupPipeline): Promise<string> {
  const order = (await pipeline.intake.offerCheckpoint(slot.slotId, null)) as BackupOrder
  await slotBackupsOf(state.directory, controlOf(pipeline.origin, slot.slotId)).take(order)
  return order.backupId
}

describe('the remote store', () => {
  it('gets a copy of everything; while it is away backups stay here, are tried again and an alarm says so', async () => {
    const bucket = openLocalDisk(`${state.directory}-remote`)
    let away = true
    const remote: BlobStore = {
      ...bucket,
      put: (key, body, expected) => {
        body.on('error', () => undefined)
        return away ? Promise.reject(new Error('no route to the bucket')) : bucket.put(key, body, expected)
      },
    }
    const pipeline = await startPipeline({ database, remote })
    const backupId = await takeOne(pipeline)
    await eventually(async () => expect(await alarms()).toEqual([{ kind: 'remote_unavailable' }]))
    expect(await rows()).toMatchObject([
      { id: backupId, state: 'complete', remote_key: null, remote_attempts: 1 },
    ])
    const decided = { localDays: 7, remoteDays: 30, checkpoints: 2 }
    const later = new Date(Date.now() + 400 * 86_400_000)
    await applyRetention(database, { local: pipeline.local, remote }, decided, later)
    expect(await listAll(pipeline.local, '')).toHaveLength(2)

    away = false
    await database.asSystem((trx) =>
      trx
        .updateTable('backups')
        .set({ remote_retry_at: new Date(0) })
        .execute(),
    )
    pipeline.worker.kick()
    await eventually(async () => expect(await alarms()).toEqual([]))
    const [copied] = await rows()
    expect(copied?.remote_key).not.toBeNull()
    expect((await listAll(bucket, '')).map(({ key }) => key)).toEqual(
      (await listAll(pipeline.local, '')).map(({ key }) => key),
    )
    await pipeline.end()
    rmSync(`${state.directory}-remote`, { recursive: true, force: true })
  })
})

describe('a backup that is too large', () => {
  it('is refused while it arrives, and leaves nothing', async () => {
    const pipeline = await startPipeline({ database, bytesMax: 100 })
    await expect(takeOne(pipeline)).rejects.toThrow('larger than this Reef keeps')
    expect(await listAll(pipeline.local, '')).toEqual([])
    await pipeline.end()
  })
})

describe('retention', () => {
  it('removes superseded checkpoints with their manifests, and what no row knows after a day', async () => {
    const pipeline = await startPipeline({ database })
    const ids = [await takeOne(pipeline), await takeOne(pipeline), await takeOne(pipeline)]
    await eventually(async () =>
      expect((await rows()).map((row) => row.state)).toEqual(['deleted', 'complete', 'complete']),
    )
    const kept = (await listAll(pipeline.local, '')).map(({ key }) => key)
    expect(kept).toHaveLength(4)
    expect(kept.join()).not.toContain(ids[0])

    await database.asSystem((trx) => trx.deleteFrom('backups').execute())
    await removeUnknown(database, pipeline.local, new Date())
    expect(await listAll(pipeline.local, '')).toHaveLength(4)
    await removeUnknown(database, pipeline.local, new Date(Date.now() + 2 * 86_400_000))
    expect(await listAll(pipeline.local, '')).toEqual([])
    await pipeline.end()
  })
})

describe('the timetable', () => {
  const schedule = { minuteOfDay: 180, jitterMinutes: 60 }
  const asked: string[] = []
  const taker = {
    request: (instanceId: string) => {
      asked.push(instanceId)
      return Promise.reject(new Error('not taken here'))
    },
  }
  beforeEach(() => asked.splice(0))

  it('asks once a day for an instance that changed since its last full backup, and for no other', async () => {
    const quiet = await insertOwnedSlot(database)
    const start = new Date('2026-06-01T12:00:00Z')
    await requestScheduled(database, taker, schedule, start)
    expect(asked).toEqual([])
    const night = new Date('2026-06-02T04:30:00Z')
    // The quiet one has a backup, and nothing happened since.
    await insertCompleteBackup(database, quiet, { completedAt: new Date('2026-06-01T13:00:00Z') })
    await requestScheduled(database, taker, schedule, night)
    await requestScheduled(database, taker, schedule, night)
    expect(asked).toEqual([slot.instanceId])
    await insertCompleteBackup(database, quiet, {
      kind: 'checkpoint',
      completedAt: new Date('2026-06-02T20:00:00Z'),
    })
    await insertCompleteBackup(database, slot, { completedAt: new Date('2026-06-02T20:00:00Z') })
    await requestScheduled(database, taker, schedule, new Date('2026-06-03T04:30:00Z'))
    expect(asked).toEqual([slot.instanceId, quiet.instanceId])
  })
})

describe('an archive', () => {
  const isFresh = (hasRemote: boolean) =>
    database.asSystem((trx) => createArchive({ hasRemote }).hasFreshBackup(trx, slot.instanceId))

  it('has everything only when nothing happened since the newest backup, and a bucket has it where there is one', async () => {
    expect(await isFresh(false)).toBe(false)
    const backupId = await insertCompleteBackup(database, slot)
    expect(await isFresh(false)).toBe(true)
    expect(await isFresh(true)).toBe(false)
    await database.asSystem((trx) =>
      trx
        .insertInto('model_calls')
        .values({
          id: newId(),
          organization_id: slot.organizationId,
          instance_id: slot.instanceId,
          slot_id: slot.slotId,
          provider: 'demo',
          model: 'reef-demo',
          protocol: 'responses',
          streamed: false,
          outcome: 'succeeded',
          started_at: new Date(Date.now() + 1_000),
        } as never)
        .execute(),
    )
    expect(await isFresh(false)).toBe(false)
    await database.asSystem((trx) => trx.deleteFrom('model_calls').execute())
    await database.asSystem((trx) =>
      trx.updateTable('backups').set({ verify_failure: 'damaged' }).where('id', '=', backupId).execute(),
    )
    expect(await isFresh(false)).toBe(false)
  })
})

describe('drills', () => {
  it('run one at a time on a machine that no person can get, and the machine goes when the drill is over', async () => {
    const pipeline = await startPipeline({ database })
    const deps = {
      database,
      alarms: { raise: async () => undefined, clear: async () => undefined },
      slots: { driver: 'fake', specVersion: 'test' },
      everyDays: 7,
    }
    const backupId = await takeOne(pipeline)
    await database.asSystem((trx) =>
      trx
        .insertInto('backup_schedules')
        .values({
          instance_id: slot.instanceId,
          organization_id: slot.organizationId,
          next_at: new Date(),
          drill_at: new Date(0),
        })
        .execute(),
    )
    await Promise.all([runDrills(deps), runDrills(deps), runDrills(deps)])
    const drills = () => database.asSystem((trx) => trx.selectFrom('backup_drills').selectAll().execute())
    const [drill, another] = await drills()
    expect(another).toBeUndefined()
    expect(drill).toMatchObject({ state: 'running', backup_id: backupId })
    const slotId = drill?.slot_id as string
    const machine = () =>
      database.asSystem((trx) =>
        trx
          .selectFrom('slots')
          .select(['state', 'wanted', 'instance_id'])
          .where('id', '=', slotId)
          .executeTakeFirstOrThrow(),
      )
    expect(await machine()).toEqual({ state: 'terminating', wanted: 'running', instance_id: null })
    const order = await pipeline.restores.find(slotId, drill?.id as string)
    expect(order).toMatchObject({ drill: true, userId: slot.userId })
    await pipeline.restores.report(slotId, drill?.id as string, { outcome: 'succeeded', message: 'ready' })
    // Once over, the machine gets the key no more.
    await expect(pipeline.restores.find(slotId, drill?.id as string)).rejects.toMatchObject({
      kind: 'notFound',
    })
    await runDrills(deps)
    expect(await machine()).toMatchObject({ wanted: 'removed' })
    expect(await drills()).toMatchObject([{ state: 'passed' }])
    expect((await rows())[0]?.verified_at).not.toBeNull()
    await pipeline.end()
  })
})
