import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createArchive } from '../../src/domain/backups/archive.ts'
import { requestScheduled } from '../../src/domain/backups/timetable.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { type BackupPipeline, insertOwnedSlot, type OwnedSlot, startPipeline } from './support/pipeline.ts'
import { insertCompleteBackup } from './support/rows.ts'

/** What counts as a change that a backup has to have: more than turns. */

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
    for (const table of ['backup_schedules', 'backups', 'slots'] as const)
      await trx.deleteFrom(table).execute()
    await trx.deleteFrom('instances').execute()
  }),
)
afterAll(async () => {
  await pipeline.end()
  await database.drop()
})

const seconds = (count: number) => new Date(Date.now() + count * 1_000)

/** A person does something in it: known to the proxies, or seen by its supervisor only. */
const use = (at: Date, seenBy: 'proxy' | 'supervisor') =>
  database.asSystem((trx) =>
    seenBy === 'proxy'
      ? trx.updateTable('instances').set({ last_active_at: at }).execute()
      : trx.updateTable('slots').set({ active_at: at }).execute(),
  )

describe.each(['proxy', 'supervisor'] as const)(
  'what a person did without a turn, as the %s knows',
  (seenBy) => {
    it('keeps the machine of a stopped instance until a backup has it', async () => {
      const isFresh = () =>
        database.asSystem((trx) => createArchive({ hasRemote: false }).hasFreshBackup(trx, slot.instanceId))
      await insertCompleteBackup(database, slot)
      expect(await isFresh()).toBe(true)
      await use(seconds(1), seenBy)
      expect(await isFresh()).toBe(false)
      await insertCompleteBackup(database, slot, { kind: 'checkpoint', completedAt: seconds(2) })
      expect(await isFresh()).toBe(true)
    })

    it('is reason enough for a daily backup', async () => {
      const asked: string[] = []
      const taker = {
        request: (instanceId: string) => {
          asked.push(instanceId)
          return Promise.reject(new Error('not taken here'))
        },
      }
      const look = (day: number) =>
        requestScheduled(
          database,
          taker,
          { minuteOfDay: 180, jitterMinutes: 60 },
          new Date(Date.UTC(2026, 5, day, 4, 30)),
        )
      await use(new Date('2026-05-30T12:00:00Z'), 'proxy')
      await insertCompleteBackup(database, slot, { completedAt: new Date('2026-05-31T12:00:00Z') })
      await look(1)
      await look(2)
      expect(asked).toEqual([])
      await use(new Date('2026-06-02T12:00:00Z'), seenBy)
      await look(3)
      expect(asked).toEqual([slot.instanceId])
    })

    it('is not passed over when a backup of an instance that does not run is asked for', async () => {
      const backupId = await insertCompleteBackup(database, slot)
      await database.asSystem((trx) => trx.updateTable('slots').set({ phase: 'suspended' }).execute())
      expect(await pipeline.backUp(slot.instanceId, 'on_demand')).toMatchObject({ id: backupId })
      await use(seconds(1), seenBy)
      await expect(pipeline.backUp(slot.instanceId, 'on_demand')).rejects.toMatchObject({
        code: 'backup_outdated',
      })
      // Its machine keeps what it has, and there is something to go back to.
      await expect(pipeline.backUpBeforeUpgrade(slot.instanceId)).resolves.toBeUndefined()
    })
  },
)
