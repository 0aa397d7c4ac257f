import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { createManifestSigner } from '../../src/domain/backups/signing.ts'
import type { BackupOrder } from '../../supervisor/backup/backups.ts'
import { extractArchive, receiveStored } from '../../supervisor/backup/extract.ts'
import { checkDatabases } from '../../supervisor/backup/sqlite.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { testSecret } from '../support/secret.ts'
import {
  type BackupPipeline,
  controlOf,
  insertOwnedSlot,
  type OwnedSlot,
  slotBackupsOf,
  startPipeline,
} from './support/pipeline.ts'
import { createSlotState, type SlotState } from './support/slot-state.ts'

const count = Number(process.env.REEF_TEST_BACKUPS ?? 25)
const signer = createManifestSigner(testSecret)
const programs = {
  writer: fileURLToPath(new URL('./support/writer.ts', import.meta.url)),
  slot: fileURLToPath(new URL('./support/slot-process.ts', import.meta.url)),
  control: fileURLToPath(new URL('./support/control-process.ts', import.meta.url)),
}

let database: TestDatabase
let slot: OwnedSlot
let state: SlotState
beforeAll(async () => {
  database = await createTestDatabase()
  slot = await insertOwnedSlot(database)
  state = createSlotState()
  for (let turn = 0; turn < 50; turn++) state.write(`turn ${turn}`)
})
afterAll(async () => {
  state.close()
  rmSync(state.directory, { recursive: true, force: true })
  await database.drop()
})

async function offer(pipeline: BackupPipeline): Promise<BackupOrder> {
  return (await pipeline.intake.offerCheckpoint(slot.slotId, null)) as BackupOrder
}

/** Opens every backup that a manifest names, as a restore would, and answers how many there were. */
async function checkStore(pipeline: BackupPipeline): Promise<number> {
  const scratch = mkdtempSync(join(tmpdir(), 'reef-backup-check-'))
  let checked = 0
  for await (const { key } of pipeline.local.list('')) {
    if (!key.endsWith('.manifest.json')) continue
    const manifest = signer.open(readFileSync(join(pipeline.storeDirectory, key), 'utf8'))
    const { identity } = await orderFor(pipeline, manifest.backupId)
    const directory = join(scratch, String(checked))
    const stored = `${directory}.age`
    const content = await pipeline.local.get(key.replace('.manifest.json', '.age'))
    await receiveStored(content, stored, manifest)
    await extractArchive(stored, directory, identity, manifest)
    expect(await checkDatabases(directory)).toBe(2)
    expectTwins(directory)
    rmSync(directory, { recursive: true })
    checked += 1
  }
  rmSync(scratch, { recursive: true, force: true })
  return checked
}

/** Each row is written with its twin in one transaction: a torn copy would show one without the other. */
function expectTwins(directory: string): void {
  const opened = new DatabaseSync(join(directory, 'state/state/openclaw.sqlite'))
  const odd = opened.prepare('select count(*) as count from turns where text <> twin').get()
  opened.close()
  expect(odd).toEqual({ count: 0 })
}

const identities = new Map<string, string>()
async function orderFor(pipeline: BackupPipeline, backupId: string): Promise<{ identity: string }> {
  const known = identities.get(slot.userId)
  if (known) return { identity: known }
  const restoreId = await insertRestore(backupId)
  const { identity } = await pipeline.restores.find(slot.slotId, restoreId)
  await pipeline.restores.report(slot.slotId, restoreId, { outcome: 'succeeded', message: '' })
  identities.set(slot.userId, identity)
  return { identity }
}

async function insertRestore(backupId: string): Promise<string> {
  const { id } = await database.asSystem((trx) =>
    trx
      .insertInto('restores')
      .values({
        id: crypto.randomUUID(),
        organization_id: slot.organizationId,
        instance_id: slot.instanceId,
        backup_id: backupId,
        kind: 'requested',
        state: 'ordered',
        slot_id: slot.slotId,
      })
      .returning('id')
      .executeTakeFirstOrThrow(),
  )
  return id
}

async function clearBackups(): Promise<void> {
  await database.asSystem(async (trx) => {
    await trx.deleteFrom('restores').execute()
    await trx.deleteFrom('backups').execute()
  })
}

describe('under write load', () => {
  let pipeline: BackupPipeline
  let writer: ChildProcess
  beforeAll(async () => {
    pipeline = await startPipeline({ database, checkpoints: count })
    writer = spawn(process.execPath, [programs.writer, state.directory], { stdio: 'inherit' })
  })
  afterAll(async () => {
    writer.kill('SIGKILL')
    await pipeline.end()
    await clearBackups()
  })

  it(`every one of ${count} backups passes the integrity check of its databases`, async () => {
    const backups = slotBackupsOf(state.directory, controlOf(pipeline.origin, slot.slotId))
    for (let taken = 0; taken < count; taken++) await backups.take(await offer(pipeline))
    expect(await checkStore(pipeline)).toBe(count)
    expect(writer.exitCode).toBeNull()
  }, 600_000)
})

describe('killed at any step', () => {
  afterEach(clearBackups)

  it('a supervisor that dies before any of its requests leaves no manifest of incomplete data', async () => {
    const served: number[] = []
    for (let step = 1; step <= 4; step++) {
      let requests = 0
      let child: ChildProcess | undefined
      const pipeline = await startPipeline({
        database,
        onRequest: () => {
          requests += 1
          if (requests === step) child?.kill('SIGKILL')
        },
      })
      const order = await offer(pipeline)
      child = spawn(
        process.execPath,
        [programs.slot, state.directory, pipeline.origin, slot.slotId, JSON.stringify(order)],
        { stdio: 'inherit' },
      )
      const code = await new Promise((done) => child?.once('exit', done))
      served.push(requests)
      const checked = await checkStore(pipeline)
      // Killed as its last request arrived, everything had arrived: that one may be whole.
      expect([step, checked]).toEqual([step, checked === 1 ? 1 : 0])
      if (code === 0) expect(checked).toBe(1)
      await pipeline.end()
      await clearBackups()
    }
    // The steps went past the last request, so none was left out.
    expect(served.at(-1)).toBeLessThan(4)
  }, 120_000)

  it('a control plane that dies around any write of its store leaves none either, and the next one completes it', async () => {
    const outcomes: string[] = []
    for (let step = 1; ; step++) {
      const storeDirectory = mkdtempSync(join(tmpdir(), 'reef-backup-store-'))
      const helper = await startPipeline({ database, storeDirectory })
      const order = await offer(helper)
      await helper.end()
      const first = await runControlPlane(storeDirectory, step)
      const backups = slotBackupsOf(state.directory, controlOf(first.origin, slot.slotId))
      const taken = await backups.take(order).then(
        () => 'completed',
        () => 'failed',
      )
      first.child.kill('SIGKILL')
      const next = await startPipeline({ database, storeDirectory })
      const manifests = await checkStore(next)
      outcomes.push(`${taken} ${manifests}`)
      // A supervisor takes it again when the first failed.
      await slotBackupsOf(state.directory, controlOf(next.origin, slot.slotId)).take(await offer(next))
      expect(await checkStore(next)).toBe(manifests + 1)
      await next.end()
      await clearBackups()
      rmSync(storeDirectory, { recursive: true, force: true })
      if (taken === 'completed') break
    }
    expect(outcomes.filter((outcome) => outcome.startsWith('failed')).length).toBeGreaterThanOrEqual(5)
  }, 240_000)
})

async function runControlPlane(storeDirectory: string, step: number) {
  const child = spawn(process.execPath, [programs.control, database.loginUrl, storeDirectory, String(step)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const origin = await new Promise<string>((done) =>
    child.stdout.once('data', (line) => done(String(line).trim())),
  )
  return { child, origin }
}

describe('what was tampered with is refused before anything is unpacked', () => {
  let pipeline: BackupPipeline
  let order: BackupOrder
  let path: string
  let original: Buffer
  let identity: string
  const scratch = mkdtempSync(join(tmpdir(), 'reef-backup-tampered-'))
  beforeAll(async () => {
    pipeline = await startPipeline({ database })
    order = await offer(pipeline)
    await slotBackupsOf(state.directory, controlOf(pipeline.origin, slot.slotId)).take(order)
    identities.clear()
    identity = (await orderFor(pipeline, order.backupId)).identity
    path = join(pipeline.storeDirectory, slot.userId, slot.instanceId, `${order.backupId}.age`)
    original = readFileSync(path)
  })
  afterAll(async () => {
    rmSync(scratch, { recursive: true, force: true })
    await pipeline.end()
    await clearBackups()
  })

  const manifest = () => signer.open(readFileSync(path.replace('.age', '.manifest.json'), 'utf8'))
  const receive = async () =>
    receiveStored(await pipeline.local.get(relativeKey()), join(scratch, 'stored'), manifest())
  const relativeKey = () => `${slot.userId}/${slot.instanceId}/${order.backupId}.age`

  it('a flipped byte anywhere', async () => {
    for (let at = 0; at < original.length; at += Math.ceil(original.length / 50)) {
      const changed = Buffer.from(original)
      changed.writeUInt8(changed.readUInt8(at) ^ 1, at)
      writeFileSync(path, changed)
      await expect(receive()).rejects.toThrow('The backup was changed')
    }
    writeFileSync(path, original)
    await expect(receive()).resolves.toBeUndefined()
  })

  it('a missing end, and an end too many', async () => {
    writeFileSync(path, original.subarray(0, -1))
    await expect(receive()).rejects.toThrow('should be')
    writeFileSync(path, Buffer.concat([original, Buffer.from('x')]))
    await expect(receive()).rejects.toThrow(/longer|should be/)
    writeFileSync(path, original)
  })

  it('a flipped byte that a manifest vouches for, by the encryption itself', async () => {
    for (const at of [original.length >> 1, original.length - 1]) {
      const changed = Buffer.from(original)
      changed.writeUInt8(changed.readUInt8(at) ^ 1, at)
      const forged = join(scratch, 'forged')
      writeFileSync(forged, changed)
      await expect(extractArchive(forged, join(scratch, 'tree'), identity, manifest())).rejects.toThrow(
        'cannot be read',
      )
    }
  })

  it('a wrong key', async () => {
    const { ageKeyPairs } = await import('../../src/adapters/age/key-pairs.ts')
    const other = await ageKeyPairs.generate()
    const tree = join(scratch, 'other')
    await expect(extractArchive(path, tree, other.identity, manifest())).rejects.toThrow(
      'does not open with this key',
    )
    expect(() => readdirSync(tree)).toThrow('ENOENT')
  })

  it('a manifest in which anything was changed', () => {
    const text = readFileSync(path.replace('.age', '.manifest.json'), 'utf8')
    expect(() => signer.open(text.replace(slot.userId, slot.organizationId))).toThrow('signature')
    const sha256 = createHash('sha256').update('other').digest('hex')
    expect(() => signer.open(text.replace(manifest().stored.sha256, sha256))).toThrow('signature')
  })
})
