import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestCommandLine, type TestCommandLine } from '../../../test/support/command-line.ts'

let cli: TestCommandLine

beforeAll(async () => {
  cli = await startTestCommandLine()
})
afterAll(async () => {
  await cli?.end()
})

const reef: TestCommandLine['reef'] = (...given) => cli.reef(...given)

test('an operator grants credits, and whoever has them sees them', async () => {
  expect((await reef(['credits'])).stdout).toContain('reef credits grant WHO CREDITS')
  const granted = await reef(['credits', 'grant', 'ada@example.com', '500.5', '--note', 'a first month'])
  expect(granted).toMatchObject({ code: 0, stdout: expect.stringContaining('Gave 500.5 credits to') })
  expect((await reef(['credits', 'ledger'])).stdout).toMatch(/grant +500\.5 .*a first month/)
  expect(JSON.parse((await reef(['credits', 'ledger', '--json', '--search', 'month'])).stdout)).toMatchObject(
    [{ kind: 'grant', amountMicros: 500_500_000 }],
  )
  expect(JSON.parse((await reef(['credits', '--json'])).stdout).grantedMicros).toBeGreaterThanOrEqual(
    500_500_000,
  )
})

test('the statement can be written to a file', async () => {
  const file = join(cli.home, 'credits.csv')
  expect(await reef(['credits', 'ledger', '--csv', file])).toMatchObject({ code: 0 })
  expect(await readFile(file, 'utf8')).toMatch(/^time,kind,.*\r\n[^\r]+grant/)
  expect((await reef(['credits', 'ledger', '--csv', '-'])).stdout).toBe(await readFile(file, 'utf8'))
})

test('what cannot be granted says why', async () => {
  const wrong = await reef(['credits', 'grant', 'nobody@example.com', '5'])
  expect(wrong).toMatchObject({ code: 1, stderr: expect.stringContaining('sign up first') })
  expect((await reef(['credits', 'grant', 'ada@example.com', 'lots'])).stderr).toContain('credits')
})

test('verification exits with 1 when a byte of the ledger was changed', async () => {
  expect(await reef(['ledger', 'verify'])).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('The ledger is right'),
  })
  const admin = new pg.Client({ connectionString: cli.app.database.adminUrl })
  await admin.connect()
  await admin.query("update ledger_transfers set note = 'a First month' where note = 'a first month'")
  await admin.end()
  const found = await reef(['ledger', 'verify'])
  expect(found).toMatchObject({ code: 1, stdout: expect.stringContaining('is not what was written') })
  expect(JSON.parse((await reef(['ledger', 'verify', '--json'])).stdout)).toMatchObject({ ok: false })
})

test('usage says what was used, in words and for programs, and how to ask', async () => {
  expect(await reef(['usage'])).toMatchObject({ code: 0, stdout: 'Nothing was used in this time.\n' })
  const { stdout } = await reef([
    'usage',
    '--by',
    'model',
    '--from',
    '2026-03-01',
    '--to',
    '2026-03-02',
    '--json',
  ])
  expect(JSON.parse(stdout)).toMatchObject({ by: ['model'], from: '2026-03-01T00:00:00.000Z', rows: [] })
  const wrong = await reef(['usage', '--from', '2020-01-01'])
  expect(wrong.code).not.toBe(0)
  expect(wrong.stderr).toContain('At most 400 days')
})
