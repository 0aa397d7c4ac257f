import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { pino } from 'pino'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { insertCompleteBackup } from '../../test/backups/support/rows.ts'
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts'
import { eventually } from '../../test/support/eventually.ts'
import { insertInstance, insertOrganization } from '../../test/support/rows.ts'
import { testSecret } from '../../test/support/secret.ts'
import { dialLink, openLink, type SupervisorClient } from '../../test/support/supervisor-client.ts'
import { type Listener, openListener } from '../db/listen.ts'
import { attachUpgrades } from '../http/upgrades.ts'
import { newId } from '../ids.ts'
import { sha256 } from '../secrets.ts'
import { attachLink, type Link } from './link.ts'

let database: TestDatabase
let listener: Listener
const nodes: { url: string; link: Link; server: Server }[] = []

beforeAll(async () => {
  database = await createTestDatabase()
  listener = openListener({ url: database.loginUrl })
})
afterAll(async () => {
  await listener.close()
  await database.drop()
})
afterEach(async () => {
  for (const node of nodes.splice(0)) {
    await node.link.close()
    node.server.closeAllConnections()
    await new Promise((done) => node.server.close(done))
  }
})

async function startNode() {
  const server = createServer()
  const nodeId = newId()
  const link = attachLink({
    upgrades: attachUpgrades(server),
    database,
    listener,
    nodeId,
    log: pino({ level: 'silent' }),
    leaseSeconds: 900,
    desired: {
      secret: testSecret,
      graceSeconds: 20,
      modelBaseUrl: () => '/models/v1',
      models: () => ({ primary: 'demo/reef-demo', offered: [], warmup: 'demo/reef-demo' }),
      modelKey: (slotId) => `rmk_${slotId}`,
      origins: () => [],
    },
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const { port } = server.address() as AddressInfo
  await database.asSystem((trx) =>
    trx
      .insertInto('nodes')
      .values({ id: nodeId, internal_url: `http://127.0.0.1:${port}` })
      .execute(),
  )
  const node = { url: `ws://127.0.0.1:${port}/link`, link, server }
  nodes.push(node)
  return node
}

async function insertSlot(instanceId: string | null = null): Promise<string> {
  const id = newId()
  await database.asSystem((trx) =>
    trx
      .insertInto('slots')
      .values({
        id,
        driver: 'fake',
        state: instanceId ? 'assigned' : 'initializing',
        instance_id: instanceId,
        spec_version: 'test-1',
        phase: 'running',
        link_credential_hash: sha256(id),
        bootstrap_hash: sha256(`bootstrap ${id}`),
        bootstrap_expires_at: new Date(Date.now() + 600_000),
      })
      .execute(),
  )
  return id
}

const dial = async (url: string, slotId: string): Promise<SupervisorClient> => {
  const client = await dialLink(url, slotId, { kind: 'link', token: slotId })
  await client.get('welcome')
  return client
}

const quickly = { secondsMax: 10 }

test('a call reaches the supervisor and its answer the caller, from the control plane that holds the link and from another', async () => {
  const [holder, other] = [await startNode(), await startNode()]
  const slotId = await insertSlot()
  const client = await dial(holder.url, slotId)
  for (const node of [holder, other]) {
    const asked = client.received.filter((message) => message.type === 'call').length
    const answer = node.link.calls.call(slotId, 'ping', { number: 1 }, quickly)
    const call = await eventually(() => {
      const calls = client.received.filter((message) => message.type === 'call')
      expect(calls).toHaveLength(asked + 1)
      return calls.at(-1)
    })
    expect(call).toMatchObject({ method: 'ping', params: { number: 1 } })
    client.send({ type: 'result', id: call?.id as string, value: { pong: true } })
    expect(await answer).toEqual({ pong: true })
  }
})

test('what a supervisor could not do comes with its own words', async () => {
  const node = await startNode()
  const slotId = await insertSlot()
  const client = await dial(node.url, slotId)
  const answer = node.link.calls.call(slotId, 'backup', {}, quickly)
  const { id } = await client.get('call')
  client.send({ type: 'result', id, error: { code: 'failed', message: 'The disk is full.' } })
  await expect(answer).rejects.toMatchObject({ code: 'slot_call_failed', message: 'The disk is full.' })
})

test('another slot cannot answer', async () => {
  const node = await startNode()
  const [slotId, otherId] = [await insertSlot(), await insertSlot()]
  const [client, other] = [await dial(node.url, slotId), await dial(node.url, otherId)]
  const answer = node.link.calls.call(slotId, 'ping', null, quickly)
  const { id } = await client.get('call')
  other.send({ type: 'result', id, value: 'forged' })
  // Its next message is handled after the forged one.
  const ping = node.link.calls.call(otherId, 'ping', null, quickly)
  other.send({ type: 'result', id: (await other.get('call')).id, value: 'in order' })
  expect(await ping).toBe('in order')
  client.send({ type: 'result', id, value: 'true' })
  expect(await answer).toBe('true')
})

test('a call over a link that ends, or that nobody holds, fails at once instead of waiting', async () => {
  const node = await startNode()
  const slotId = await insertSlot()
  const unreachable = { kind: 'unavailable', code: 'slot_unreachable' }
  await expect(node.link.calls.call(slotId, 'ping', null, quickly)).rejects.toMatchObject(unreachable)
  const client = await dial(node.url, slotId)
  const answer = node.link.calls.call(slotId, 'ping', null, { secondsMax: 600 })
  await client.get('call')
  client.socket.terminate()
  await expect(answer).rejects.toMatchObject(unreachable)
})

test('nobody without the root secret calls a slot through another control plane', async () => {
  const node = await startNode()
  const slotId = await insertSlot()
  await expect(openLink(`${node.url}/calls?slot=${slotId}`)).rejects.toThrow(/404/)
})

test('a machine that lost its state is told to restore before it may be ready, and one without backups is not', async () => {
  const node = await startNode()
  const owner = await insertOrganization(database)
  const { instanceId } = await insertInstance(database, owner)
  const slotId = await insertSlot(instanceId)
  const backupId = await insertCompleteBackup(database, { ...owner, instanceId })
  const client = await dialLink(node.url, slotId, { kind: 'bootstrap', token: `bootstrap ${slotId}` })
  const { desired } = await client.get('welcome')
  const restore = await database.asSystem((trx) =>
    trx.selectFrom('restores').selectAll().where('slot_id', '=', slotId).executeTakeFirstOrThrow(),
  )
  expect(restore).toMatchObject({ kind: 'first', state: 'ordered', backup_id: backupId })
  expect(desired.restore).toEqual({ id: restore.id })

  const status = { phase: 'ready', warm: true, appliedRestartGeneration: 0, failure: null } as const
  const isReady = () =>
    database.asSystem((trx) =>
      trx.selectFrom('slots').select(['ready', 'warm']).where('id', '=', slotId).executeTakeFirstOrThrow(),
    )
  client.send({ type: 'status', ready: true, ...status })
  await eventually(async () => expect(await isReady()).toEqual({ ready: false, warm: true }))
  await database.asSystem((trx) =>
    trx.updateTable('restores').set({ state: 'succeeded' }).where('id', '=', restore.id).execute(),
  )
  client.send({ type: 'status', ready: true, ...status, warm: false })
  await eventually(async () => expect(await isReady()).toEqual({ ready: true, warm: false }))

  const fresh = await insertSlot(
    (await insertInstance(database, await insertOrganization(database))).instanceId,
  )
  const other = await dialLink(node.url, fresh, { kind: 'bootstrap', token: `bootstrap ${fresh}` })
  expect((await other.get('welcome')).desired.restore ?? null).toBeNull()
})
