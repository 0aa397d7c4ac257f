import { sql } from 'kysely'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../../../test/support/database.ts'
import { firstIdOf, newId } from '../../ids.ts'
import { forgetUsage } from './retention.ts'

const day = 24 * 3600 * 1000
const now = new Date('2026-11-21T12:00:00Z')
const kept = 400

let database: TestDatabase
let slotId: string

beforeAll(async () => {
  database = await createTestDatabase()
  slotId = newId()
  await run(sql`insert into slots (id, driver, spec_version, state, wanted)
    values (${slotId}, 'fake', '1', 'initializing', 'running')`)
  await run(sql`insert into price_lists (effective_from, prices) values (now(), '{}')`)
})
afterAll(() => database.drop())

const run = (query: ReturnType<typeof sql>) => database.asSystem((trx) => query.execute(trx))
const ids = async (table: string): Promise<string[]> =>
  (
    await database.asSystem((trx) => sql<{ id: string }>`select id from ${sql.table(table)}`.execute(trx))
  ).rows.map(({ id }) => id)

/** An id as it was made then. */
const idOf = (daysAgo: number) =>
  firstIdOf(new Date(now.getTime() - daysAgo * day)).slice(0, 14) + newId().slice(14)

async function addCall(id: string, outcome: 'pending' | 'succeeded'): Promise<string> {
  await run(sql`insert into model_calls (id, slot_id, provider, model, protocol, streamed, outcome)
    values (${id}, ${slotId}, 'demo', 'reef-demo', 'chat_completions', true, ${outcome})`)
  return id
}

async function addRuntime(id: string): Promise<string> {
  await run(sql`insert into runtime_usage (id, organization_id, instance_id, user_id, plan, state, window_start,
      window_end, milliseconds, price_version, cost)
    values (${id}, ${newId()}, ${newId()}, ${newId()}, 'standard', 'running', now(), now(), 1,
      (select min(version) from price_lists), 1)`)
  return id
}

async function addAlert(id: string, key: string | null, cleared: boolean): Promise<string> {
  await run(sql`insert into alerts (id, kind, severity, title, message, key, cleared_at)
    values (${id}, 'test', 'info', 'Title', 'Message', ${key}, ${cleared ? now : null})`)
  return id
}

it('forgets what was over and told longer ago than it is kept, and nothing else', async () => {
  await addCall(idOf(kept + 1), 'succeeded')
  const calls = [await addCall(idOf(kept + 1), 'pending'), await addCall(idOf(kept - 1), 'succeeded')]
  await addRuntime(idOf(kept + 1))
  const runtime = [await addRuntime(idOf(kept - 1))]
  await addAlert(idOf(kept + 1), null, false)
  await addAlert(idOf(kept + 1), 'was', true)
  const alerts = [await addAlert(idOf(kept + 1), 'is', false), await addAlert(idOf(kept - 1), null, false)]

  const counts = await Promise.all([1, 2].map(() => forgetUsage(database, kept, now)))
  expect(counts.reduce((sum, count) => sum + count)).toBe(4)
  expect((await ids('model_calls')).sort()).toEqual(calls.sort())
  expect(await ids('runtime_usage')).toEqual(runtime)
  expect((await ids('alerts')).sort()).toEqual(alerts.sort())
})

it('goes on page by page', async () => {
  await run(sql`insert into runtime_usage (id, organization_id, instance_id, user_id, plan, state, window_start,
      window_end, milliseconds, price_version, cost)
    select ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, ${newId()}, ${newId()}, ${newId()}, 'standard',
      'running', now(), now(), 1, (select min(version) from price_lists), 1 from generate_series(1, 5001) as n`)
  expect(await forgetUsage(database, kept, now)).toBe(5_001)
})
