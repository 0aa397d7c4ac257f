import { spawn } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { BlobMissing } from '../../src/domain/backups/blob-store.ts'
import { newId } from '../../src/ids.ts'
import type { BackupOrder } from '../../supervisor/backup/backups.ts'
import { createRestores, type Restores } from '../../supervisor/backup/restores.ts'
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
import type { RestoreFault } from './support/restore-process.ts'
import { insertCompleteBackup } from './support/rows.ts'
import { createSlotState } from './support/slot-state.ts'

let database: TestDatabase
let pipeline: BackupPipeline
let slot: OwnedSlot
let backup: BackupOrder
/** The slot's directory as it is when a restore comes; the backup is of `then`. */
let now: string
let directory: string

beforeAll(async () => {
  database = await createTestDatabase()
  pipeline = await startPipeline({ database })
  slot = await insertOwnedSlot(database)
  const state = createSlotState()
  now = mkdtempSync(join(tmpdir(), 'reef-restore-now-'))
  state.write('then')
  mark(state.directory, 'then')
  backup = (await pipeline.intake.offerCheckpoint(slot.slotId, null)) as BackupOrder
  await slotBackupsOf(state.directory, controlOf(pipeline.origin, slot.slotId)).take(backup)
  state.write('now')
  mark(state.directory, 'now')
  state.close()
  cpSync(state.directory, now, { recursive: true })
  rmSync(state.directory, { recursive: true })
})
afterAll(async () => {
  await pipeline.end()
  await database.drop()
  rmSync(now, { recursive: true, force: true })
})
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'reef-restore-slot-'))
  cpSync(now, directory, { recursive: true })
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

function mark(path: string, when: string): void {
  for (const name of ['state', 'workspace']) writeFileSync(join(path, name, 'mark'), when)
  writeFileSync(
    join(path, 'openclaw.json'),
    JSON.stringify({ mark: when, agents: { defaults: { workspace: join(path, 'workspace') } } }),
  )
}

/** Settings, files and database, which must never be of different times. */
function timesOf(path: string): string[] {
  const opened = new DatabaseSync(join(path, 'state/state/openclaw.sqlite'))
  const rows = opened.prepare('select text from turns order by id').all()
  opened.close()
  const config = JSON.parse(readFileSync(join(path, 'openclaw.json'), 'utf8')) as { mark: string }
  return [
    config.mark,
    ...['state', 'workspace'].map((name) => readFileSync(join(path, name, 'mark'), 'utf8')),
    String(rows.at(-1)?.text),
  ]
}
const all = (when: string) => [when, when, when, when]

async function orderRestore(
  given: { backupId?: string; slot?: OwnedSlot; kind?: 'requested' | 'first' } = {},
): Promise<string> {
  const target = given.slot ?? slot
  const id = newId()
  await database.asSystem(async (trx) => {
    await trx
      .updateTable('restores')
      .set({ state: 'failed' })
      .where('instance_id', '=', target.instanceId)
      .where('state', '=', 'ordered')
      .execute()
    await trx
      .insertInto('restores')
      .values({
        id,
        organization_id: target.organizationId,
        instance_id: target.instanceId,
        backup_id: given.backupId ?? backup.backupId,
        kind: given.kind ?? 'requested',
        state: 'ordered',
        slot_id: target.slotId,
      })
      .execute()
  })
  return id
}

const outcomeOf = (id: string) =>
  database.asSystem((trx) =>
    trx.selectFrom('restores').select(['state', 'message']).where('id', '=', id).executeTakeFirstOrThrow(),
  )

function restoresOf(starts: boolean[] = [], configPath = 'openclaw.json'): Restores {
  return createRestores({
    places: { slotDirectory: directory, configPath },
    control: controlOf(pipeline.origin, slot.slotId),
    exclusively: (work) => work(),
    stopOpenClaw: () => Promise.resolve(),
    startOpenClaw: () => Promise.resolve(starts.shift() ?? true),
    isWanted: () => true,
    log: () => undefined,
  })
}

async function contentOf(work: (content: Buffer, path: string) => void): Promise<void> {
  const path = join(pipeline.storeDirectory, slot.userId, slot.instanceId, `${backup.backupId}.age`)
  const content = readFileSync(path)
  try {
    work(content, path)
    const id = await orderRestore()
    await restoresOf().apply(id)
    expect((await outcomeOf(id)).state).toBe('failed')
    expect((await outcomeOf(id)).message).toContain('Nothing was changed.')
  } finally {
    writeFileSync(path, content)
  }
}

it('puts everything back as it was, moves settings to where the slot is now, and leaves no journal', async () => {
  for (const suffix of ['-wal', '-shm'])
    writeFileSync(join(directory, `state/state/openclaw.sqlite${suffix}`), 'of another life')
  const id = await orderRestore()
  const restores = restoresOf()
  expect(restores.isOpen(id)).toBe(true)
  await restores.apply(id)
  expect(await outcomeOf(id)).toMatchObject({ state: 'succeeded' })
  expect(restores.isOpen(id)).toBe(false)
  const config = JSON.parse(readFileSync(join(directory, 'openclaw.json'), 'utf8'))
  expect(config.agents.defaults.workspace).toBe(join(directory, 'workspace'))
  const left = readdirSync(directory, { recursive: true }).map(String)
  expect(left.filter((name) => /-wal$|-shm$|^restore\//.test(name))).toEqual([])
  expect(timesOf(directory)).toEqual(all('then'))
})

/** Answers how the process ended: by a signal, with a code. */
async function restoreWith(id: string, fault: RestoreFault): Promise<NodeJS.Signals | number | null> {
  const program = fileURLToPath(new URL('./support/restore-process.ts', import.meta.url))
  const argv = [program, directory, pipeline.origin, slot.slotId, id, JSON.stringify(fault)]
  const child = spawn(process.execPath, argv, { stdio: 'inherit' })
  return await new Promise((done) => child.once('exit', (code, signal) => done(signal ?? code)))
}

function startAnew(): void {
  rmSync(directory, { recursive: true, force: true })
  cpSync(now, directory, { recursive: true })
}

it('killed before any change of the disk, it is all of now or all of then, and finishes the next time', async () => {
  const seen = new Set<string>()
  for (let step = 1; ; step++) {
    startAnew()
    const id = await orderRestore()
    const end = await restoreWith(id, { step, how: 'kill', from: 'begin' })
    const restores = restoresOf()
    await restores.recover()
    const times = timesOf(directory)
    expect([step, times]).toEqual([step, all(times[0] as string)])
    seen.add(times[0] as string)
    if (restores.isOpen(id)) await restores.apply(id)
    expect([step, timesOf(directory)]).toEqual([step, all('then')])
    expect([step, (await outcomeOf(id)).state]).toEqual([step, 'succeeded'])
    if (end === 0) break
  }
  expect(seen).toEqual(new Set(['now', 'then']))
}, 120_000)

it('killed before any change of the disk while it goes back, it goes back the next time, and says so', async () => {
  for (let step = 1; ; step++) {
    startAnew()
    const id = await orderRestore()
    const end = await restoreWith(id, { step, how: 'kill', from: 'undo' })
    const restores = restoresOf([false, true])
    await restores.recover()
    const times = timesOf(directory)
    expect([step, times]).toEqual([step, all(times[0] as string)])
    if (restores.isOpen(id)) await restores.apply(id)
    expect([step, timesOf(directory)]).toEqual([step, all('now')])
    expect([step, await outcomeOf(id)]).toEqual([
      step,
      { state: 'failed', message: expect.stringContaining('did not start with the restored state') },
    ])
    if (end === 0) break
  }
}, 120_000)

it.each(['stop', 'undo'] as const)(
  'whichever change of the disk fails from the %s on, it is all of now or all of then, as it says',
  async (from) => {
    for (let step = 1; ; step++) {
      startAnew()
      const id = await orderRestore()
      const end = await restoreWith(id, { step, how: 'fail', from })
      const { state } = await outcomeOf(id)
      expect([step, state, timesOf(directory)]).toEqual([
        step,
        state,
        all(state === 'succeeded' ? 'then' : 'now'),
      ])
      expect(['succeeded', 'failed']).toContain(state)
      if (end === 0) break
    }
  },
  120_000,
)

it('puts the settings where this machine has them, whatever the layout of the one that was saved', async () => {
  mkdirSync(join(directory, 'config'))
  renameSync(join(directory, 'openclaw.json'), join(directory, 'config/openclaw.json'))
  const id = await orderRestore()
  await restoresOf([false, true], 'config/openclaw.json').apply(id)
  const markOf = () => JSON.parse(readFileSync(join(directory, 'config/openclaw.json'), 'utf8')).mark
  expect(markOf()).toBe('now')
  const again = await orderRestore()
  await restoresOf([true], 'config/openclaw.json').apply(again)
  expect(markOf()).toBe('then')
  expect(existsSync(join(directory, 'openclaw.json'))).toBe(false)
})

it('goes back by itself when OpenClaw does not start with it, and says so', async () => {
  const id = await orderRestore()
  await restoresOf([false, true]).apply(id)
  expect(await outcomeOf(id)).toEqual({
    state: 'failed',
    message: expect.stringContaining('did not start with the restored state'),
  })
  expect(timesOf(directory)).toEqual(all('now'))
  expect(existsSync(join(directory, 'restore'))).toBe(false)
})

it('refuses what was changed or cut short, and touches nothing', async () => {
  await contentOf((content, path) => {
    content = Buffer.from(content)
    content.writeUInt8(content.readUInt8(content.length >> 1) ^ 1, content.length >> 1)
    writeFileSync(path, content)
  })
  await contentOf((content, path) => writeFileSync(path, content.subarray(0, content.length >> 1)))
  await contentOf((_content, path) => writeFileSync(path, ''))
  expect(timesOf(directory)).toEqual(all('now'))
})

it('refuses the backup of another person, even when a row says that it is theirs', async () => {
  const other = await insertOwnedSlot(database)
  const state = createSlotState()
  state.write('other')
  const control = controlOf(pipeline.origin, other.slotId)
  const foreign = (await pipeline.intake.offerCheckpoint(other.slotId, null)) as BackupOrder
  await slotBackupsOf(state.directory, control).take(foreign)
  state.close()
  rmSync(state.directory, { recursive: true })
  await database.asSystem((trx) =>
    trx
      .updateTable('backups')
      .set({ user_id: slot.userId, instance_id: slot.instanceId, organization_id: slot.organizationId })
      .where('id', '=', foreign.backupId)
      .execute(),
  )
  const id = await orderRestore({ backupId: foreign.backupId })
  await restoresOf().apply(id)
  expect(await outcomeOf(id)).toEqual({
    state: 'failed',
    message: expect.stringContaining('belongs to somebody else'),
  })
  expect(timesOf(directory)).toEqual(all('now'))
})

it('waits for a backup that its store does not have, says what is missing, and takes no older one instead', async () => {
  await insertCompleteBackup(database, slot, { completedAt: new Date('2026-01-01T00:00:00Z') })
  const path = join(pipeline.storeDirectory, slot.userId, slot.instanceId, `${backup.backupId}.age`)
  const alarms = () =>
    database.asSystem((trx) =>
      trx
        .selectFrom('backup_alarms')
        .select('message')
        .where('kind', '=', 'content_missing')
        .where('instance_id', '=', slot.instanceId)
        .where('cleared_at', 'is', null)
        .execute(),
    )
  renameSync(path, `${path}.elsewhere`)
  const id = await orderRestore({ kind: 'first' })
  const applied = restoresOf().apply(id)
  await eventually(async () =>
    expect(await alarms()).toEqual([
      { message: expect.stringMatching(`${backup.backupId}.age is missing .*REEF_BACKUP_DIR`) },
    ]),
  )
  await expect(pipeline.restores.read(slot.slotId, id, backup.backupId)).rejects.toMatchObject({
    kind: 'unavailable',
  })
  expect((await outcomeOf(id)).state).toBe('ordered')
  renameSync(`${path}.elsewhere`, path)
  await applied
  expect((await outcomeOf(id)).state).toBe('succeeded')
  const firsts = await database.asSystem((trx) =>
    trx.selectFrom('restores').select('id').where('kind', '=', 'first').execute(),
  )
  expect(firsts).toEqual([{ id }])
  expect(timesOf(directory)).toEqual(all('then'))
  await eventually(async () => expect(await alarms()).toEqual([]))
})

it('a backup that is removed while it is fetched is gone, and nobody waits for it', async () => {
  const id = newId()
  const leaky = await startPipeline({
    database,
    storeDirectory: pipeline.storeDirectory,
    wrap: (local) => ({
      ...local,
      get: async (key) => {
        await database.asSystem((trx) =>
          trx.updateTable('backups').set({ state: 'deleted' }).where('id', '=', id).execute(),
        )
        throw new BlobMissing(key)
      },
    }),
  })
  await insertCompleteBackup(database, slot, { id })
  const restoreId = await orderRestore({ backupId: id })
  await expect(leaky.restores.read(slot.slotId, restoreId, id)).rejects.toMatchObject({ code: 'backup_gone' })
  await leaky.restores.report(slot.slotId, restoreId, { outcome: 'failed', message: 'It is gone.' })
  await leaky.end()
})

it('says so when the backup is not kept any more, instead of waiting for it', async () => {
  const other = (await pipeline.intake.offerCheckpoint(slot.slotId, null)) as BackupOrder
  const id = await orderRestore({ backupId: other.backupId })
  await restoresOf().apply(id)
  expect(await outcomeOf(id)).toEqual({
    state: 'failed',
    message: expect.stringContaining('not kept any more'),
  })
  expect(timesOf(directory)).toEqual(all('now'))
})

it('once the person is deleted there is no key, and nobody can restore their backups', async () => {
  const other = await insertOwnedSlot(database)
  const state = createSlotState()
  const control = controlOf(pipeline.origin, other.slotId)
  const theirs = (await pipeline.intake.offerCheckpoint(other.slotId, null)) as BackupOrder
  await slotBackupsOf(state.directory, control).take(theirs)
  state.close()
  rmSync(state.directory, { recursive: true })
  const id = await orderRestore({ backupId: theirs.backupId, slot: other })
  await database.asSystem((trx) =>
    trx.deleteFrom('backup_keys').where('user_id', '=', other.userId).execute(),
  )
  await expect(pipeline.restores.find(other.slotId, id)).rejects.toMatchObject({ code: 'backup_key_gone' })
  await database.asSystem((trx) =>
    trx
      .updateTable('slots')
      .set({ instance_id: null, state: 'available' })
      .where('id', '=', other.slotId)
      .execute(),
  )
  await database.asSystem((trx) =>
    trx.deleteFrom('restores').where('instance_id', '=', other.instanceId).execute(),
  )
  await database.asSystem((trx) => trx.deleteFrom('users').where('id', '=', other.userId).execute())
  const left = await database.asSystem((trx) =>
    trx.selectFrom('backups').select('id').where('user_id', '=', other.userId).execute(),
  )
  expect(left).toEqual([])
})
