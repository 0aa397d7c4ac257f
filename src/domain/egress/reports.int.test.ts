import { sql } from 'kysely'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../../../test/support/database.ts'
import { insertInstance, insertOrganization } from '../../../test/support/rows.ts'
import { newId } from '../../ids.ts'
import { pruneEgress, recordEgress } from './reports.ts'

let database: TestDatabase
let owner: { organizationId: string; userId: string }
let instanceId: string
const slotId = newId()
const where = { driver: 'docker', host: 'one' }

beforeAll(async () => {
  database = await createTestDatabase()
  owner = await insertOrganization(database)
  instanceId = (await insertInstance(database, owner)).instanceId
  await database.asSystem((trx) =>
    sql`insert into slots (id, driver, state, instance_id, spec_version, handle)
      values (${slotId}, 'docker', 'assigned', ${instanceId}, 'test', ${JSON.stringify({ host: 'one' })})`.execute(
      trx,
    ),
  )
})
afterAll(() => database.drop())
beforeEach(() =>
  database.asSystem(async (trx) => {
    await trx.deleteFrom('egress_denied').execute()
    await trx.deleteFrom('egress_traffic').execute()
  }),
)

const denied = (host: string, attempts = 1, of = slotId) => ({
  slotId: of,
  host,
  port: 443,
  reason: 'not_listed',
  attempts,
})
const rows = () =>
  database.inTenant(owner.organizationId, (trx) =>
    trx.selectFrom('egress_denied').select(['host', 'attempts']).orderBy('host').execute(),
  )
const traffic = () =>
  database.inTenant(owner.organizationId, (trx) =>
    trx.selectFrom('egress_traffic').select(['sent_bytes', 'received_bytes']).execute(),
  )

it('counts add up', async () => {
  for (const sentBytes of [1, 2])
    await recordEgress(database, where, {
      denied: [],
      traffic: [{ slotId, sentBytes, receivedBytes: 10 }],
    })
  // Two rows when the hour ends just now; their sum is what counts.
  const sums = (await traffic()).reduce(
    (sum, row) => [sum[0] + row.sent_bytes, sum[1] + row.received_bytes] as [number, number],
    [0, 0] as [number, number],
  )
  expect(sums).toEqual([3, 20])
})

it('a gate speaks only of slots of its own host, and of ones that are slots at all', async () => {
  const report = {
    denied: [denied('example.com'), denied('example.org', 1, 'no id'), denied('example.net', 1, newId())],
    traffic: [{ slotId, sentBytes: 1, receivedBytes: 1 }],
  }
  await recordEgress(database, { driver: 'docker', host: 'two' }, report)
  expect(await rows()).toEqual([])
  expect(await traffic()).toEqual([])
  await recordEgress(database, where, report)
  expect(await rows()).toEqual([{ host: 'example.com', attempts: 1 }])
})

it('one instance fills no table, and no other tenant sees its rows', async () => {
  const many = Array.from({ length: 300 }, (_, index) => denied(`n${index}.example`))
  await recordEgress(database, where, { denied: many, traffic: [] })
  expect(await rows()).toHaveLength(200)
  const stranger = await insertOrganization(database)
  const seen = await database.inTenant(stranger.organizationId, (trx) =>
    trx.selectFrom('egress_denied').selectAll().execute(),
  )
  expect(seen).toEqual([])
})

it('what is old goes, and what is not stays', async () => {
  await recordEgress(database, where, { denied: [denied('new.example')], traffic: [] })
  await database.asSystem((trx) =>
    sql`insert into egress_denied (organization_id, instance_id, at, host, port, reason, attempts)
      select organization_id, instance_id, at - interval '8 days', 'old.example', 443, reason, 1 from egress_denied`.execute(
      trx,
    ),
  )
  expect(await rows()).toHaveLength(2)
  await pruneEgress(database)
  expect((await rows()).map((row) => row.host)).toEqual(['new.example'])
})
