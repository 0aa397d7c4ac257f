import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { sql } from 'kysely'
import pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { LedgerReport } from '../../src/domain/credits/verify.ts'
import { isId } from '../../src/ids.ts'
import { modelKeys } from '../../src/slot-key.ts'
import { readBook } from '../support/book.ts'
import { signUp, type TestClient } from '../support/client.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { eventually } from '../support/eventually.ts'
import { type FakeModelProvider, startFakeModelProvider } from '../support/fake-model-provider.ts'
import { type ReefProcess, readReefLog, startReefProcess } from '../support/reef-process.ts'
import { testSecret } from '../support/secret.ts'

const model = 'openai/gpt-test'
/** A micro-credit for a token, so that sums can be compared exactly. */
const price = {
  input: 1_000_000,
  cachedInput: 1_000_000,
  cacheWriteInput: 1_000_000,
  output: 1_000_000,
  reasoning: 1_000_000,
}
const callsCount = 8

let database: TestDatabase
let provider: FakeModelProvider
let reef: ReefProcess
let person: TestClient
let organizationId: string
let key: string

beforeAll(async () => {
  database = await createTestDatabase()
  provider = await startFakeModelProvider('sk-killed')
  reef = await startReefProcess({
    DATABASE_URL: database.adminUrl,
    // The database was made with it: `test/support/secret.ts`.
    REEF_SECRET: String.fromCharCode(7).repeat(32),
    POOL_SIZE: '0',
    OPENAI_API_KEY: provider.key,
    OPENAI_BASE_URL: `${provider.url}/v1`,
    REEF_MODEL: model,
  })
  person = await signUp(reef.url, reef.proxyUrl, 'ada@example.com')
  const { prices } = await person.call<{ prices: Prices }>('GET', '/api/credits/prices')
  const free = { running: 0, suspended: 0, stored: 0 }
  const plans = Object.fromEntries(Object.keys(prices.plans).map((plan) => [plan, free]))
  await person.call('POST', '/api/admin/prices', { prices: { ...prices, plans, models: { [model]: price } } })
  await person.call('POST', '/api/provision', {})
  key = await keyOfSlot()
}, 180_000)
afterAll(async () => {
  await endMachine().catch(() => undefined)
  await reef?.close()
  await provider?.close()
  await database?.drop()
}, 120_000)

interface Prices {
  models: Record<string, unknown>
  plans: Record<string, unknown>
}

/** With a database that others may use too, a Reef that ends leaves its machines to them. */
async function endMachine(): Promise<void> {
  const { id } = await person.untilInstance(() => true, 'there')
  await person.call('POST', `/api/instances/${id}/stop`)
  await person.untilInstance(({ status }) => status === 'stopped', 'stopped')
}

/** OpenClaw need not have booted: its slot has its key from the beginning. */
async function keyOfSlot(): Promise<string> {
  const slotId = await eventually(async () => {
    const found = (await readdir(join(reef.dataDirectory, 'slots'))).find(isId)
    expect(found).toBeDefined()
    return found as string
  }, 30_000)
  organizationId = await eventually(async () => {
    const row = await database.asSystem((trx) =>
      sql<{ organization_id: string }>`
        select organization_id from slots join instances on instances.id = slots.instance_id
        where slots.id = ${slotId}`.execute(trx),
    )
    expect(row.rows).toHaveLength(1)
    return (row.rows[0] as { organization_id: string }).organization_id
  }, 30_000)
  return modelKeys.of(testSecret, slotId)
}

/** Resolves when it has ended, however it did. */
async function ask(behaviour: Record<string, unknown>): Promise<void> {
  const response = await fetch(`${reef.url}/models/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({
      model,
      messages: [{ role: 'user', content: 'Hello' }],
      max_tokens: 500,
      stream: true,
      behaviour,
    }),
  })
  expect(response.status).toBe(200)
  await response.text().catch(() => undefined)
}

const ours = () => provider.seen.filter(({ body }) => body.behaviour !== undefined)
const callRows = () =>
  database.asSystem((trx) =>
    sql<{ id: string; outcome: string; error_code: string | null; cost: number | null; tokens: number }>`
      select id, outcome, error_code, cost, input_tokens + output_tokens as tokens from model_calls
      where organization_id = ${organizationId} order by id`.execute(trx),
  )
const bookOf = () => readBook(database, organizationId)

it('calls of a control plane killed with -9 are each settled once, and nothing is held any more', {
  timeout: 180_000,
}, async () => {
  // Some were over before.
  await Promise.all(Array.from({ length: callsCount }, () => ask({ words: ['One'] })))
  await eventually(async () => expect((await bookOf()).reserved).toBe(0), 20_000)
  // Some go on for a minute when it dies, and some have ended whose settlements wait for a lock.
  const slow = Array.from({ length: callsCount }, () =>
    ask({ words: Array.from({ length: 200 }, () => ' slow'), wordMilliseconds: 300 }).catch(() => undefined),
  )
  const ending = Array.from({ length: callsCount }, () =>
    ask({ words: Array.from({ length: 10 }, () => ' quick'), wordMilliseconds: 200 }),
  )
  await eventually(() => expect(ours()).toHaveLength(3 * callsCount), 20_000)
  const locker = new pg.Client({ connectionString: database.adminUrl })
  await locker.connect()
  await locker.query('begin')
  await locker.query('select 1 from ledger_books where organization_id = $1 for update', [organizationId])
  await Promise.all(ending)
  const before = (await callRows()).rows
  expect(before.filter(({ outcome }) => outcome === 'succeeded')).toHaveLength(callsCount)
  expect(before.filter(({ outcome }) => outcome === 'pending')).toHaveLength(2 * callsCount)
  await reef.kill()
  await locker.query('rollback')
  await locker.end()
  await Promise.all(slow)
  await reef.restart()

  const rows = await eventually(async () => {
    const found = (await callRows()).rows
    expect(found.filter(({ outcome }) => outcome === 'pending')).toEqual([])
    expect((await bookOf()).reserved).toBe(0)
    return found
  }, 30_000).catch(async (error) => {
    throw new Error(`${error.message}\n${await readReefLog(reef)}`)
  })
  const settled = rows.filter(({ outcome }) => outcome === 'succeeded')
  expect(settled).toHaveLength(2 * callsCount)
  for (const { cost, tokens } of settled) expect(cost).toBe(tokens)
  const lost = rows.filter(({ error_code }) => error_code === 'control_plane_lost')
  expect(lost).toHaveLength(callsCount)
  expect(lost.every(({ cost }) => cost === 0)).toBe(true)
  expect((await bookOf()).spent).toBe(settled.reduce((sum, { cost }) => sum + (cost ?? 0), 0))
  // Each is held once and let go once.
  const { rows: operations } = await database.asSystem((trx) =>
    sql<{ reservation_id: string; held: number; closed: number }>`
      select reservation_id, count(distinct key) filter (where operation = 'reserve')::int as held,
        count(distinct key) filter (where operation <> 'reserve')::int as closed
      from ledger_transfers where organization_id = ${organizationId}
        and reservation_id in (select id from model_calls) group by 1`.execute(trx),
  )
  expect(operations).toHaveLength(3 * callsCount)
  for (const one of operations) expect(one).toMatchObject({ held: 1, closed: 1 })
  const open = await database.asSystem((trx) =>
    trx
      .selectFrom('ledger_reservations')
      .select('id')
      .where('purpose', '=', 'model_call')
      .where('closed_at', 'is', null)
      .execute(),
  )
  expect(open).toEqual([])
  expect(await person.call<LedgerReport>('POST', '/api/admin/ledger/verify')).toMatchObject({
    ok: true,
    problems: [],
  })
})
