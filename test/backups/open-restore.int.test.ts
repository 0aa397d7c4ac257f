import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createAlarms } from '../../src/domain/backups/alarms.ts'
import { advanceRestores } from '../../src/domain/backups/restore-work.ts'
import { lockSlot } from '../../src/domain/instances/store.ts'
import { newId } from '../../src/ids.ts'
import { openLog } from '../../src/telemetry/log.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { type BackupPipeline, insertOwnedSlot, type OwnedSlot, startPipeline } from './support/pipeline.ts'
import { insertCompleteBackup } from './support/rows.ts'

/** A machine without state, which has been told to take a backup's. */

let database: TestDatabase
let pipeline: BackupPipeline
let slot: OwnedSlot
beforeAll(async () => {
  database = await createTestDatabase()
  pipeline = await startPipeline({ database })
})
beforeEach(async () => {
  slot = await insertOwnedSlot(database)
})
afterEach(() =>
  database.asSystem(async (trx) => {
    for (const table of ['backup_alarms', 'backup_drills', 'restores', 'backups', 'slots'] as const)
      await trx.deleteFrom(table).execute()
    await trx.deleteFrom('instances').execute()
  }),
)
afterAll(async () => {
  await pipeline.end()
  await database.drop()
})

async function orderFirst(backupId: string): Promise<string> {
  const id = newId()
  await database.asSystem(async (trx) => {
    await trx
      .insertInto('restores')
      .values({
        id,
        organization_id: slot.organizationId,
        instance_id: slot.instanceId,
        backup_id: backupId,
        kind: 'first',
        state: 'ordered',
        slot_id: slot.slotId,
      })
      .execute()
    await trx.updateTable('slots').set({ ready: false }).execute()
  })
  return id
}

it('has nothing of its own saved until then, by a checkpoint or in full', async () => {
  const backupId = await insertCompleteBackup(database, slot)
  const restoreId = await orderFirst(backupId)
  expect(await pipeline.intake.offerCheckpoint(slot.slotId, null)).toBeNull()
  expect(await pipeline.backUp(slot.instanceId, 'on_demand')).toMatchObject({ id: backupId })
  await pipeline.restores.report(slot.slotId, restoreId, { outcome: 'succeeded', message: '' })
  expect(await pipeline.intake.offerCheckpoint(slot.slotId, null)).not.toBeNull()
})

it('is known to the lifecycle as such for as long as a restore or a drill is open', async () => {
  const isOpen = () =>
    database.asSystem(async (trx) => (await lockSlot(trx, { id: slot.slotId }))?.restore_open)
  expect(await isOpen()).toBe(false)
  const backupId = await insertCompleteBackup(database, slot)
  const restoreId = await orderFirst(backupId)
  expect(await isOpen()).toBe(true)
  await pipeline.restores.report(slot.slotId, restoreId, { outcome: 'succeeded', message: '' })
  expect(await isOpen()).toBe(false)
  await database.asSystem((trx) =>
    trx
      .insertInto('backup_drills')
      .values({
        id: newId(),
        organization_id: slot.organizationId,
        instance_id: slot.instanceId,
        backup_id: backupId,
        slot_id: slot.slotId,
        state: 'running',
      })
      .execute(),
  )
  expect(await isOpen()).toBe(true)
})

describe('a first restore of which nothing is heard for six hours', () => {
  let raised: string[]
  beforeEach(() => {
    raised = []
  })
  const advance = () =>
    advanceRestores({
      database,
      taker: { backUp: () => Promise.reject(new Error('nothing is secured here')) },
      alarms: { raise: async ({ message }) => void raised.push(message) },
      log: openLog('silent'),
    })
  const hoursAgo = (hours: number) => new Date(Date.now() - hours * 3_600_000)
  const changeSlot = (columns: { wanted?: 'running' | 'stopped'; started_at?: Date }) =>
    database.asSystem((trx) => trx.updateTable('slots').set(columns).execute())
  const letPass = () =>
    database.asSystem((trx) =>
      trx
        .updateTable('restores')
        .set({ requested_at: hoursAgo(7) })
        .where('state', '=', 'ordered')
        .execute(),
    )
  const restores = () =>
    database.asSystem((trx) =>
      trx.selectFrom('restores').select(['backup_id', 'kind', 'state']).orderBy('id').execute(),
    )
  const machine = () =>
    database.asSystem((trx) =>
      trx.selectFrom('slots').select(['ready', 'failure_code']).executeTakeFirstOrThrow(),
    )

  it('is followed by an older backup, and without one the machine stops: it never starts empty', async () => {
    const older = await insertCompleteBackup(database, slot, { completedAt: hoursAgo(20) })
    const newest = await insertCompleteBackup(database, slot, { completedAt: hoursAgo(10) })
    await orderFirst(newest)
    await changeSlot({ started_at: hoursAgo(7) })
    await advance()
    expect(await restores()).toMatchObject([{ state: 'ordered' }])
    await letPass()
    await advance()
    expect(await restores()).toEqual([
      { backup_id: newest, kind: 'first', state: 'failed' },
      { backup_id: older, kind: 'first', state: 'ordered' },
    ])
    expect(await machine()).toEqual({ ready: false, failure_code: null })
    expect(raised).toEqual([expect.stringContaining('An older backup is tried now.')])

    await letPass()
    await advance()
    await letPass()
    await advance()
    expect(await restores()).toEqual([
      { backup_id: newest, kind: 'first', state: 'failed' },
      { backup_id: older, kind: 'first', state: 'failed' },
      { backup_id: newest, kind: 'first', state: 'ordered' },
    ])
    expect(await machine()).toEqual({ ready: false, failure_code: 'never_ready' })
    expect(raised).toHaveLength(2)
  })

  it('is not forgotten while what it needs is missing, since it waits', async () => {
    await orderFirst(await insertCompleteBackup(database, slot))
    await letPass()
    await changeSlot({ started_at: hoursAgo(7) })
    const alarms = createAlarms(database)
    await alarms.raise({
      kind: 'content_missing',
      organizationId: slot.organizationId,
      instanceId: slot.instanceId,
      message: 'the bucket is not named',
    })
    await advance()
    expect(await restores()).toMatchObject([{ state: 'ordered' }])
    expect(raised).toEqual([])
  })

  it('waits for as long as its machine is stopped, and has all of its time when that runs again', async () => {
    await orderFirst(await insertCompleteBackup(database, slot))
    await letPass()
    await changeSlot({ wanted: 'stopped', started_at: hoursAgo(7) })
    await advance()
    await changeSlot({ wanted: 'running', started_at: hoursAgo(5) })
    await advance()
    expect(await restores()).toMatchObject([{ state: 'ordered' }])
    expect(raised).toEqual([])
  })
})
