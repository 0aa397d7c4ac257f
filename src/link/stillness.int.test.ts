import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { sql } from 'kysely'
import { pino } from 'pino'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts'
import { eventually } from '../../test/support/eventually.ts'
import { testSecret } from '../../test/support/secret.ts'
import { dialLink } from '../../test/support/supervisor-client.ts'
import { openListener } from '../db/listen.ts'
import { notify } from '../db/notify.ts'
import { attachUpgrades } from '../http/upgrades.ts'
import { newId } from '../ids.ts'
import { sha256 } from '../secrets.ts'
import { attachLink } from './link.ts'
import { clearExpired } from './store.ts'

/** Links of machines that stand still: they are silent, and neither dead nor unready. */

let database: TestDatabase
const ends: (() => Promise<void>)[] = []
beforeEach(async () => {
  database = await createTestDatabase()
})
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
  await database.drop()
})

const set = (slotId: string, columns: string): Promise<unknown> =>
  database.asSystem(async (trx) => {
    await sql`update slots set ${sql.raw(columns)} where id = ${slotId}`.execute(trx)
    await notify(trx, 'slot_changed', slotId)
  })
const read = (slotId: string) =>
  database.asSystem((trx) =>
    trx.selectFrom('slots').selectAll().where('id', '=', slotId).executeTakeFirstOrThrow(),
  )

async function linkedSlot() {
  const slotId = newId()
  await database.asSystem((trx) =>
    sql`insert into slots (id, driver, state, spec_version, link_credential_hash, phase, next_reconcile_at)
      values (${slotId}, 'fake', 'available', 'v1', ${sha256(slotId)}, 'running', null)`.execute(trx),
  )
  const server = createServer()
  const listener = openListener({ url: database.loginUrl })
  const link = attachLink({
    upgrades: attachUpgrades(server),
    database,
    listener,
    nodeId: newId(),
    log: pino({ level: 'silent' }),
    leaseSeconds: 900,
    heartbeatSeconds: 0.1,
    desired: {
      secret: testSecret,
      graceSeconds: 15,
      modelBaseUrl: () => '/models/v1',
      models: () => ({ primary: 'demo/x', offered: [], warmup: 'demo/x' }),
      modelKey: () => 'key',
      origins: () => [],
    },
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  ends.push(async () => {
    await link.close()
    await listener.close()
    server.closeAllConnections()
    await new Promise((done) => server.close(done))
  })
  const { port } = server.address() as AddressInfo
  const client = await dialLink(`ws://127.0.0.1:${port}/link`, slotId, { kind: 'link', token: slotId })
  await client.get('welcome')
  const status = { phase: 'ready', ready: true, warm: true, appliedRestartGeneration: 0 } as const
  client.send({ type: 'status', ...status, failure: null })
  await eventually(async () => expect((await read(slotId)).ready).toBe(true))
  return { slotId, client, link }
}

test('a supervisor whose machine stands still keeps its link and stays ready, and is probed again afterwards', async () => {
  const { slotId, client } = await linkedSlot()
  const { slotId: other, client: deaf } = await linkedSlot()
  await set(slotId, "wanted = 'suspended', phase = 'suspended'")
  client.socket.pause()
  // This one only stopped answering: that it is given up shows that enough time has passed.
  deaf.socket.pause()
  await eventually(async () => expect((await read(other)).link_node_id).toBeNull())
  expect(await read(slotId)).toMatchObject({ ready: true, link_node_id: expect.any(String) })
  client.socket.resume()
  await set(slotId, "wanted = 'running', phase = 'running'")
  client.send({ type: 'heartbeat', sequence: 1, at: 'x', memoryBytes: 1, cpuPercent: 0, turnsInFlight: 0 })
  expect(await client.get('lease')).toMatchObject({ sequence: 1 })
  client.socket.pause()
  await eventually(async () => expect(await read(slotId)).toMatchObject({ ready: false, link_node_id: null }))
})

test('a control plane that ends while a machine stands still leaves it ready', async () => {
  const { slotId, client, link } = await linkedSlot()
  await set(slotId, "wanted = 'suspended', phase = 'suspended'")
  client.socket.pause()
  await link.close()
  expect(await read(slotId)).toMatchObject({ ready: true, link_node_id: null })
})

test('a machine that has just gone on has the whole lease to be heard of again', async () => {
  const slots = { still: newId(), woken: newId(), silent: newId() }
  await database.asSystem((trx) =>
    sql`insert into slots (id, driver, state, spec_version, phase, ready, heartbeat_at, resumed_at, next_reconcile_at)
      values (${slots.still}, 'fake', 'available', 'v1', 'suspended', true, now() - interval '1 day', null, null),
        (${slots.woken}, 'fake', 'available', 'v1', 'running', true, now() - interval '1 day', now(), null),
        (${slots.silent}, 'fake', 'available', 'v1', 'running', true, now() - interval '1 day', null, null)`.execute(
      trx,
    ),
  )
  await clearExpired(database, 900)
  expect((await read(slots.still)).ready).toBe(true)
  expect((await read(slots.woken)).ready).toBe(true)
  expect((await read(slots.silent)).ready).toBe(false)
})

test('what a heartbeat says of activity is kept by our clock, and the newest counts', async () => {
  const { slotId, client } = await linkedSlot()
  const beat = { type: 'heartbeat', memoryBytes: 1, cpuPercent: 0 } as const
  // Its clock is years behind; a person was active ten seconds before.
  const at = '2001-01-01T00:00:10.000Z'
  client.send({ ...beat, sequence: 1, at, turnsInFlight: 2, activeAt: '2001-01-01T00:00:00.000Z' })
  await client.get('lease')
  const first = await read(slotId)
  expect(first.turns_in_flight).toBe(2)
  expect(first.busy_at).not.toBeNull()
  const agoSeconds = (Number(first.heartbeat_at) - Number(first.active_at)) / 1000
  expect(agoSeconds).toBeCloseTo(10, 1)
  const nextWakeAt = '2030-01-01T00:00:00.000Z'
  client.send({
    ...beat,
    sequence: 2,
    at,
    turnsInFlight: 0,
    activeAt: '2000-12-31T23:00:00.000Z',
    nextWakeAt,
  })
  await eventually(async () => expect((await client.get('lease')).sequence).toBe(2))
  expect(await read(slotId)).toMatchObject({
    turns_in_flight: 0,
    active_at: first.active_at,
    busy_at: first.busy_at,
    next_wake_at: new Date(nextWakeAt),
  })
})
