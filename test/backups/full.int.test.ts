import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ageKeyPairs } from '../../src/adapters/age/key-pairs.ts'
import { openSecretBox } from '../../src/adapters/secret-box/open.ts'
import { type BackupKeys, createBackupKeys } from '../../src/domain/backups/keys.ts'
import { insertBackup } from '../../src/domain/backups/rows.ts'
import { createManifestSigner } from '../../src/domain/backups/signing.ts'
import type { BackupOrder, Backups } from '../../supervisor/backup/backups.ts'
import { extractArchive, receiveStored } from '../../supervisor/backup/extract.ts'
import type { RunOpenClaw } from '../../supervisor/backup/openclaw-source.ts'
import { checkDatabases } from '../../supervisor/backup/sqlite.ts'
import { startOpenClaw } from '../../supervisor/openclaw-child.ts'
import { openSlotFiles } from '../../supervisor/slot-files.ts'
import { startTestControlPlane, type TestControlPlane } from '../../supervisor/test-support/control-plane.ts'
import { createRealSlot, eventually } from '../../supervisor/test-support/real-slot.ts'
import { type ScriptedModel, startScriptedModel } from '../../supervisor/test-support/scripted-model.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { isLongRun } from '../support/long-run.ts'
import { testSecret } from '../support/secret.ts'
import {
  type BackupPipeline,
  controlOf,
  insertOwnedSlot,
  type OwnedSlot,
  slotBackupsOf,
  startPipeline,
} from './support/pipeline.ts'

/** Each starts OpenClaw's own backup program, which takes seconds; `REEF_TEST_FULL_BACKUPS=1000` is the full count. */
const count = Number(process.env.REEF_TEST_FULL_BACKUPS ?? 2)
const millisecondsEach = 120_000
const signer = createManifestSigner(testSecret)
const writerProgram = fileURLToPath(new URL('./support/writer.ts', import.meta.url))
/** OpenClaw's own, in which a table of ours is written too, and one of the agent's. */
const databases = ['state/state/openclaw.sqlite', 'workspace/ledger.sqlite']

// Without a long run: a full backup, put back, in conversation.int.test.ts; write load in pipeline.int.test.ts.
describe.skipIf(!isLongRun)('full backups of a real OpenClaw under write load', () => {
  let database: TestDatabase
  let owned: OwnedSlot
  let keys: BackupKeys
  let pipeline: BackupPipeline
  let model: ScriptedModel
  let plane: TestControlPlane
  let slot: ReturnType<typeof createRealSlot>
  let backups: Backups
  let writer: ChildProcess
  let talking = true
  let turns = 0

  beforeAll(async () => {
    database = await createTestDatabase()
    owned = await insertOwnedSlot(database)
    keys = createBackupKeys({
      database,
      box: await openSecretBox(undefined, testSecret),
      keyPairs: ageKeyPairs,
    })
    pipeline = await startPipeline({ database })
    model = await startScriptedModel()
    plane = await startTestControlPlane(desiredOf(model.baseUrl))
    slot = createRealSlot(plane.url, proxyToken)
    slot.start()
    await eventually('OpenClaw is ready', () => plane.statuses.at(-1)?.ready)
    backups = slotBackupsOf(
      slot.directory,
      controlOf(pipeline.origin, owned.slotId),
      openclawOf(slot.directory),
    )
    for (const path of databases) createTurns(join(slot.directory, path))
    writer = spawn(process.execPath, [writerProgram, slot.directory, ...databases], { stdio: 'inherit' })
    void talk()
  }, 240_000)
  afterAll(async () => {
    talking = false
    writer?.kill('SIGKILL')
    await slot?.dispose()
    await plane?.close()
    await model?.close()
    await pipeline?.end()
    await database?.drop()
  }, 60_000)

  /** Turns of a real agent, one after the other, for as long as backups are taken. */
  async function talk(): Promise<void> {
    while (talking) {
      const answer = await fetch(`${slot.address()}/v1/chat/completions`, {
        method: 'POST',
        headers: slot.headers('gateway'),
        body: JSON.stringify({ model: 'openclaw', messages: [{ role: 'user', content: `turn ${turns}` }] }),
      }).catch(() => undefined)
      if (answer?.ok) turns += 1
      await answer?.body?.cancel()
    }
  }

  async function orderFull(): Promise<BackupOrder> {
    const instance = {
      id: owned.instanceId,
      organization_id: owned.organizationId,
      owner_user_id: owned.userId,
    }
    const backupId = await database.asSystem((trx) =>
      insertBackup(trx, instance, {
        kind: 'full',
        reason: 'on_demand',
        state: 'running',
        slotId: owned.slotId,
      }),
    )
    const recipient = await keys.recipientOf(owned.userId)
    return { backupId, kind: 'full', recipient, baseBackupId: null, drainSeconds: 0 }
  }

  /** As a restore would, and then removes it: a thousand of them need no room. */
  async function openAndForget(backupId: string): Promise<void> {
    const key = `${owned.userId}/${owned.instanceId}/${backupId}`
    const manifest = signer.open(readFileSync(join(pipeline.storeDirectory, `${key}.manifest.json`), 'utf8'))
    const scratch = mkdtempSync(join(tmpdir(), 'reef-backup-full-'))
    try {
      const stored = join(scratch, 'stored')
      await receiveStored(await pipeline.local.get(`${key}.age`), stored, manifest)
      const identity = (await keys.identityOf(owned.userId)) as string
      await extractArchive(stored, join(scratch, 'tree'), identity, manifest)
      expect(await checkDatabases(join(scratch, 'tree'))).toBeGreaterThanOrEqual(databases.length)
      for (const path of databases) expectTwins(join(scratch, 'tree', path))
    } finally {
      rmSync(scratch, { recursive: true, force: true })
    }
    for (const suffix of ['.age', '.manifest.json']) await pipeline.local.delete(key + suffix)
  }

  it(
    `every one of ${count} passes the integrity check of its databases`,
    async () => {
      for (let taken = 1; taken <= count; taken++) {
        const order = await orderFull()
        await backups.take(order)
        await openAndForget(order.backupId)
        if (taken % 25 === 0) process.stderr.write(`${taken} full backups, ${turns} turns meanwhile\n`)
      }
      expect(writer.exitCode).toBeNull()
      expect(turns).toBeGreaterThan(0)
    },
    count * millisecondsEach,
  )
})

const proxyToken = 'proxy-token-of-this-test'

function desiredOf(baseUrl: string): TestControlPlane['desired'] {
  const offered = ['demo/chat', 'demo/warm'].map((id) => ({
    id,
    name: id,
    api: 'openai-completions' as const,
    contextTokensMax: 128_000,
    outputTokensMax: 4_096,
    reasoning: false,
  }))
  return {
    run: 'run',
    graceSeconds: 5,
    restartGeneration: 0,
    models: { baseUrl, apiKey: 'rmk_test', primary: 'demo/chat', offered, warmup: 'demo/warm' },
    proxyToken,
    owner: {
      instanceId: 'instance-1',
      slug: 'ann',
      userNames: ['ann@example.com'],
      origins: ['http://ann.localhost:7301'],
    },
  }
}

/** OpenClaw's own command, as the supervisor runs it beside the gateway. */
function openclawOf(directory: string): RunOpenClaw {
  const files = openSlotFiles(directory)
  return async (argv) => {
    const lines: string[] = []
    const variables = { PATH: process.env.PATH ?? '' }
    const child = startOpenClaw({ files, variables, onLine: (line) => lines.push(line) }, argv)
    return { code: await child.exited, output: lines.join('\n') }
  }
}

function createTurns(path: string): void {
  const opened = new DatabaseSync(path, { timeout: 10_000 })
  opened.exec(`pragma journal_mode = wal;
    create table turns (id integer primary key, text text not null, twin text not null);
    create index turns_text on turns (text)`)
  opened.close()
}

/** Each row is written with its twin in one statement, and none is left out between the first and the last. */
function expectTwins(path: string): void {
  const opened = new DatabaseSync(path, { readOnly: true })
  const sums = opened
    .prepare(
      'select sum(text <> twin) as odd, max(id) - min(id) + 1 - count(*) as missing, count(*) as count from turns',
    )
    .get()
  opened.close()
  expect(sums).toMatchObject({ odd: 0, missing: 0 })
  expect(Number(sums?.count)).toBeGreaterThan(0)
}
