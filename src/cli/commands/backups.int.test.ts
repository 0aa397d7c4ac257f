import { afterAll, beforeAll, expect, test } from 'vitest'
import { insertCompleteBackup } from '../../../test/backups/support/rows.ts'
import { startTestCommandLine, type TestCommandLine } from '../../../test/support/command-line.ts'

let cli: TestCommandLine
let backupId: string

beforeAll(async () => {
  cli = await startTestCommandLine()
  const { stdout } = await reef(['provision', '--json'])
  const instanceId = (JSON.parse(stdout) as { id: string }).id
  const row = await cli.app.database.asSystem((trx) =>
    trx.selectFrom('instances').selectAll().where('id', '=', instanceId).executeTakeFirstOrThrow(),
  )
  backupId = await insertCompleteBackup(
    cli.app.database,
    { organizationId: row.organization_id, userId: row.owner_user_id, instanceId },
    { completedAt: new Date('2026-02-08T12:00:00Z') },
  )
})
afterAll(async () => {
  await cli?.end()
})

const reef: TestCommandLine['reef'] = (...given) => cli.reef(...given)

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
