import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { openLocalDisk } from '../../src/adapters/local-disk/local-disk.ts'
import { createArchive } from '../../src/domain/backups/archive.ts'
import type { BlobStore } from '../../src/domain/backups/blob-store.ts'
import { runDrills } from '../../src/domain/backups/drills.ts'
import { type BackupRow, contentKey } from '../../src/domain/backups/rows.ts'
import { applyRetention, forgetFailedCheckpoints, removeUnknown } from '../../src/domain/backups/sweep.ts'
import { requestScheduled } from '../../src/domain/backups/timetable.ts'
import { newId } from '../../src/ids.ts'
import { sha256 } from '../../src/secrets.ts'
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

describe('a copy that is under way while retention removes its backup', () => {
  it('is removed from the remote store as well', async () => {
    const bucket = openLocalDisk(`${state.directory}-remote`)
    const reached = Promise.withResolvers<void>()
    const released = Promise.withResolvers<void>()
    const remote: BlobStore = {
      ...bucket,
      put: async (key, body, expected) => {
        reached.resolve()
        await bucket.put(key, body, expected)
        await released.promise
      },
    }
    const pipeline = await startPipeline({ database, remote })
    const first = await takeOne(pipeline)
    await reached.promise
    await takeOne(pipeline)
    await takeOne(pipeline)
    const stateOfFirst = async () => (await rows()).find((row) => row.id === first)?.state
    await eventually(async () => expect(await stateOfFirst()).toBe('deleted'))
    released.resolve()
    await eventually(async () => {
      const copied = (await listAll(bucket, '')).map(({ key }) => key)
      expect(copied).toHaveLength(4)
      expect(copied.join()).not.toContain(first)
    })
    expect((await rows()).find((row) => row.id === first)).toMatchObject({
      local_key: null,
      remote_key: null,
    })
    await pipeline.end()
    rmSync(`${state.directory}-remote`, { recursive: true, force: true })
  })

  it('raises no alarm when it fails', async () => {
    const reached = Promise.withResolvers<void>()
    const released = Promise.withResolvers<void>()
    const remote: BlobStore = {
      ...openLocalDisk(`${state.directory}-remote`),
      put: async () => {
        reached.resolve()
        await released.promise
      },
    }
    const pipeline = await startPipeline({ database, remote })
    const first = await takeOne(pipeline)
    await reached.promise
    await database.asSystem((trx) =>
      trx.updateTable('backups').set({ state: 'deleted' }).where('id', '=', first).execute(),
    )
    released.reject(new Error('no route to the bucket'))
    await pipeline.end()
    expect(await alarms()).toEqual([])
    expect(await rows()).toMatchObject([{ remote_attempts: 0 }])
  })

  it('keeps its key when it ends before the row is changed, so that the next sweep finds it', async () => {
    const bucket = openLocalDisk(`${state.directory}-remote`)
    const pipeline = await startPipeline({ database })
    const ids = [await takeOne(pipeline), await takeOne(pipeline)]
    const [first] = await rows()
    const put = (key: string) =>
      bucket.put(key, Readable.from([Buffer.from('copy')]), {
        bytes: 4,
        sha256: sha256('copy').toString('hex'),
      })
    const copying: typeof pipeline.local = {
      ...pipeline.local,
      delete: async (key) => {
        await put(contentKey(first as BackupRow))
        await database.asSystem((trx) =>
          trx
            .updateTable('backups')
            .set({ remote_key: contentKey(first as BackupRow) })
            .where('id', '=', first?.id as string)
            .execute(),
        )
        await pipeline.local.delete(key)
      },
    }
    const one = { localDays: 7, remoteDays: 30, checkpoints: 1 }
    const sweep = () => applyRetention(database, { local: copying, remote: bucket }, one, new Date())
    await sweep()
    expect(await rows()).toMatchObject([
      { id: ids[0], state: 'complete', local_key: null },
      { id: ids[1], state: 'complete' },
    ])
    await sweep()
    expect((await rows()).map((row) => row.state)).toEqual(['deleted', 'complete'])
    expect(await listAll(bucket, '')).toEqual([])
    await pipeline.end()
    rmSync(`${state.directory}-remote`, { recursive: true, force: true })
  })
})

describe('drafts', () => {
  const part = Buffer.from('part')
  const draftsOf = (pipeline: BackupPipeline) => readdirSync(join(pipeline.storeDirectory, '.drafts'))
  const offer = async (pipeline: BackupPipeline) =>
    ((await pipeline.intake.offerCheckpoint(slot.slotId, null)) as BackupOrder).backupId

  it('of checkpoints there is one for each slot, however many it begins', async () => {
    const other = await insertOwnedSlot(database)
    const pipeline = await startPipeline({ database })
    const theirs = ((await pipeline.intake.offerCheckpoint(other.slotId, null)) as BackupOrder).backupId
    await pipeline.intake.append(other.slotId, theirs, 0, part)
    let last = ''
    for (let begun = 0; begun < 3; begun++) {
      last = await offer(pipeline)
      await pipeline.intake.append(slot.slotId, last, 0, part)
    }
    expect(draftsOf(pipeline).sort()).toEqual([theirs, last].sort())
    const atOnce = await Promise.all(Array.from({ length: 5 }, () => offer(pipeline)))
    const begun = await Promise.allSettled(
      atOnce.map((id) => pipeline.intake.append(slot.slotId, id, 0, part)),
    )
    expect(begun.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    expect(draftsOf(pipeline)).toHaveLength(2)
    await pipeline.end()
  })

  it('are not made anew by a part that was on its way when their checkpoint ended', async () => {
    let before = async (): Promise<void> => undefined
    const pipeline = await startPipeline({
      database,
      wrap: (local) => ({
        ...local,
        append: async (...given) => {
          await before()
          return local.append(...given)
        },
      }),
    })
    const ended = await offer(pipeline)
    before = async () => {
      before = async () => undefined
      await offer(pipeline)
    }
    await expect(pipeline.intake.append(slot.slotId, ended, 0, part)).rejects.toMatchObject({
      code: 'backup_over',
    })
    expect(draftsOf(pipeline)).toEqual([])
    await pipeline.end()
  })

  it('of a checkpoint that ended while it was published leave nothing that no row knows', async () => {
    const pipeline = await startPipeline({
      database,
      wrap: (local) => ({
        ...local,
        publish: async (...given) => {
          await local.publish(...given)
          await offer(pipeline)
        },
      }),
    })
    await expect(takeOne(pipeline)).rejects.toThrow('cannot be completed any more')
    expect(await listAll(pipeline.local, '')).toEqual([])
    expect((await rows()).map((row) => row.state)).toEqual(['failed', 'running'])
    await pipeline.end()
  })

  it('that came to nothing are forgotten after a day, and nothing else is', async () => {
    const pipeline = await startPipeline({ database })
    const complete = await takeOne(pipeline)
    await offer(pipeline)
    const running = await offer(pipeline)
    await forgetFailedCheckpoints(database, new Date())
    expect(await rows()).toHaveLength(3)
    await forgetFailedCheckpoints(database, new Date(Date.now() + 2 * 86_400_000))
    expect((await rows()).map((row) => row.id)).toEqual([complete, running])
    await pipeline.end()
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

describe('a machine that had to begin without its backup', () => {
  it('does not replace that backup by what it saves afterwards', async () => {
    const pipeline = await startPipeline({ database })
    const missed = await takeOne(pipeline)
    await database.asSystem((trx) =>
      trx
        .insertInto('restores')
        .values({
          id: newId(),
          organization_id: slot.organizationId,
          instance_id: slot.instanceId,
          backup_id: missed,
          kind: 'first',
          state: 'failed',
          finished_at: new Date(),
        })
        .execute(),
    )
    const later = [await takeOne(pipeline), await takeOne(pipeline), await takeOne(pipeline)]
    await eventually(async () =>
      expect((await rows()).map(({ id, state: is }) => [id, is])).toEqual([
        [missed, 'complete'],
        [later[0], 'deleted'],
        [later[1], 'complete'],
        [later[2], 'complete'],
      ]),
    )
    expect((await listAll(pipeline.local, '')).map(({ key }) => key).join()).toContain(missed)
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
    await database.asSystem((trx) =>
      trx
        .updateTable('instances')
        .set({ last_active_at: new Date('2026-05-01T12:00:00Z') })
        .execute(),
    )
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
