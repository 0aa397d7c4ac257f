import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { insertCompleteBackup } from '../../../test/backups/support/rows.ts'
import { startTestApp, type TestApp } from '../../../test/support/app.ts'

const main = fileURLToPath(new URL('../main.ts', import.meta.url))

let app: TestApp
let home: string
let backupId: string

beforeAll(async () => {
  app = await startTestApp()
  home = await mkdtemp(join(tmpdir(), 'reef-cli-'))
  await reef(
    ['sign-up', '--name', 'Ada', '--email', 'ada@example.com', '--password-stdin'],
    'correct horse battery\n',
  )
  const { stdout } = await reef(['provision', '--json'])
  const instanceId = (JSON.parse(stdout) as { id: string }).id
  const row = await app.database.asSystem((trx) =>
    trx.selectFrom('instances').selectAll().where('id', '=', instanceId).executeTakeFirstOrThrow(),
  )
  backupId = await insertCompleteBackup(
    app.database,
    { organizationId: row.organization_id, userId: row.owner_user_id, instanceId },
    { completedAt: new Date('2026-02-08T12:00:00Z') },
  )
})
afterAll(async () => {
  await app?.end()
  if (home) await rm(home, { recursive: true })
})

async function reef(arguments_: string[], input = '') {
  const child = spawn(process.execPath, [main, ...arguments_], {
    env: { PATH: process.env.PATH, XDG_CONFIG_HOME: home, REEF_URL: app.url },
    stdio: 'pipe',
  })
  child.stdin.end(input)
  const output = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const)
    child[name].on('data', (chunk) => {
      output[name] += chunk
    })
  const code = await new Promise<number | null>((done) => child.on('close', done))
  return { code, ...output }
}

test('backups are listed, and a restore is previewed by person and day', async () => {
  expect((await reef(['backups'])).stdout).toContain(backupId)
  for (const given of [['2026-02-08'], ['ada@example.com', '2026-02-08'], ['ada@example.com'], []]) {
    const { code, stdout } = await reef(['restore', ...given, '--preview'])
    expect([code, stdout]).toEqual([0, expect.stringContaining(backupId)])
  }
})

test('a restore is not done without being asked for, and names what it cannot find', async () => {
  expect(await reef(['restore', '2026-02-08'])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('--yes'),
  })
  expect(await reef(['restore', 'grace@example.com', '--preview'])).toMatchObject({ code: 4 })
  expect((await reef(['restore', '2026-02-07', '--preview'])).stderr).toContain('reef backups')
  expect(await reef(['restore', 'nonsense', '2026-02-07'])).toMatchObject({ code: 2 })
})

test('with --no-wait both are only asked for', async () => {
  expect((await reef(['restore', '--yes', '--no-wait'])).stdout).toContain('Asked for a restore')
  expect((await reef(['backup', '--no-wait'])).stdout).toContain('reef backups')
})
