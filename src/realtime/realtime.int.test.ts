import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import type { LogLine } from '../../supervisor/protocol.ts'
import { createTestAccounts, type TestAccounts, type TestPerson } from '../../test/support/accounts.ts'
import { eventually } from '../../test/support/eventually.ts'
import { insertInstance, insertUser } from '../../test/support/rows.ts'
import { type Listener, openListener } from '../db/listen.ts'
import { notify } from '../db/notify.ts'
import { createInstanceService } from '../domain/instances/service.ts'
import { attachUpgrades } from '../http/upgrades.ts'
import { newId } from '../ids.ts'
import { createLogBuffers } from '../link/log-buffers.ts'
import type { SlotLogs } from '../link/slot-logs.ts'
import type { FromClient, ToClient } from './messages.ts'
import { attachRealtime, type Realtime, type RealtimeOptions } from './realtime.ts'

let accounts: TestAccounts
let listener: Listener
const started: { server: Server; realtime: Realtime }[] = []
const buffers = createLogBuffers()
const logs: Pick<SlotLogs, 'follow'> = {
  follow: (slotId, linesMax, onLines) => {
    onLines(buffers.tail(slotId, linesMax))
    return buffers.subscribe(slotId, onLines)
  },
}

beforeAll(async () => {
  accounts = await createTestAccounts()
  listener = openListener({ url: accounts.database.loginUrl })
})
afterAll(async () => {
  await listener.close()
  await accounts.close()
})
afterEach(async () => {
  for (const { server, realtime } of started.splice(0)) {
    await realtime.close()
    server.closeAllConnections()
    await new Promise((done) => server.close(done))
  }
})

test('a subscriber gets the instance at once and again within a second of each change', async () => {
  const url = await start({ pollSeconds: 600 })
  const person = await accounts.person()
  const { instanceId } = await instanceOf(person)
  const client = await logIn(url, person)
  client.send({ type: 'subscribe', topic: 'instance', instanceId })
  await eventually(() => expect(client.instances()).toMatchObject([{ id: instanceId, name: 'Test' }]))
  const changedAt = performance.now()
  await rename(instanceId, 'Renamed', true)
  await eventually(() => expect(client.instances()).toHaveLength(2))
  expect(performance.now() - changedAt).toBeLessThan(1_000)
  expect(client.instances()[1]).toMatchObject({ name: 'Renamed' })
})

test('whoever watches credits is told when those of their organization change, and nobody else', async () => {
  const url = await start({ pollSeconds: 600 })
  const [person, stranger] = [await accounts.person(), await accounts.person()]
  const [watching, silent, elsewhere] = [
    await logIn(url, person),
    await logIn(url, person),
    await logIn(url, stranger),
  ]
  for (const client of [watching, elsewhere]) client.send({ type: 'watch_credits' })
  // Answered in order: once this is, the message before it was taken in.
  for (const client of [watching, elsewhere, silent])
    client.send({ type: 'subscribe', topic: 'instance', instanceId: newId() })
  await eventually(() => {
    for (const client of [watching, elsewhere, silent]) expect(client.errors()).toHaveLength(1)
  })
  const hint = (organizationId: string) =>
    accounts.database.asSystem((trx) => notify(trx, 'credits_changed', organizationId))
  const hints = (client: typeof watching) =>
    client.received.filter((message) => message.type === 'credits_changed').length
  await hint(person.organizationId)
  await eventually(() => expect(hints(watching)).toBe(1))
  await hint(stranger.organizationId)
  await eventually(() => expect(hints(elsewhere)).toBe(1))
  expect([hints(watching), hints(silent)]).toEqual([1, 0])
})

test('a change whose notification was lost is found by the poll, and nothing is sent when nothing changed', async () => {
  const url = await start({ pollSeconds: 0.1 })
  const person = await accounts.person()
  const { instanceId } = await instanceOf(person)
  const client = await logIn(url, person)
  client.send({ type: 'subscribe', topic: 'instance', instanceId })
  await eventually(() => expect(client.instances()).toHaveLength(1))
  await rename(instanceId, 'Unheard', false)
  await eventually(() => expect(client.instances().at(-1)).toMatchObject({ name: 'Unheard' }))
  expect(client.instances()).toHaveLength(2)
})

test('foreign, missing and forbidden instances answer alike, on every topic', async () => {
  const url = await start()
  const [owner, stranger] = [await accounts.person(), await accounts.person()]
  const { instanceId } = await instanceOf(owner)
  const client = await logIn(url, stranger)
  const missing = newId()
  for (const topic of ['instance', 'logs'] as const)
    for (const id of [instanceId, missing]) client.send({ type: 'subscribe', topic, instanceId: id })
  await eventually(() => expect(client.errors()).toHaveLength(4))
  expect(new Set(client.errors().map((message) => JSON.stringify(message.error))).size).toBe(1)
  expect(client.errors()[0]?.error.code).toBe('not_found')
  // Nor does a later change of it reach whoever was refused.
  await rename(instanceId, 'Secret', true)
  client.send({ type: 'subscribe', topic: 'instance', instanceId: missing })
  await eventually(() => expect(client.errors()).toHaveLength(5))
  expect(client.instances()).toEqual([])
})

test('logs come as a tail, empty or not, and then as they are written, until unsubscribed', async () => {
  const url = await start()
  const person = await accounts.person()
  const { instanceId, slotId } = await instanceOf(person)
  buffers.append(slotId, [line('before')])
  const client = await logIn(url, person)
  client.send({ type: 'subscribe', topic: 'logs', instanceId })
  await eventually(() => expect(client.logs()).toEqual([['before']]))
  buffers.append(slotId, [line('after')])
  await eventually(() => expect(client.logs()).toEqual([['before'], ['after']]))
  client.send({ type: 'unsubscribe', topic: 'logs', instanceId })
  client.send({ type: 'subscribe', topic: 'instance', instanceId })
  await eventually(() => expect(client.instances()).toHaveLength(1))
  buffers.append(slotId, [line('unseen')])
  client.send({ type: 'subscribe', topic: 'instance', instanceId })
  await eventually(() => expect(client.instances()).toHaveLength(2))
  expect(client.logs()).toEqual([['before'], ['after']])
})

test('logs of an instance that has no slot yet begin when it gets one', async () => {
  const url = await start()
  const person = await accounts.person()
  const { instanceId } = await insertInstance(accounts.database, owner(person))
  const client = await logIn(url, person)
  client.send({ type: 'subscribe', topic: 'logs', instanceId })
  await eventually(() => expect(client.logs()).toEqual([[]]))
  const slotId = await giveSlot(instanceId)
  buffers.append(slotId, [line('first')])
  await accounts.database.asSystem((trx) => notify(trx, 'instance_changed', instanceId))
  await eventually(() => expect(client.logs().at(-1)).toEqual(['first']))
})

test.each([
  ['a wrong token', { accessToken: 'wrong' }, 4401],
  ['an organization that the caller is no member of', { organizationId: newId() }, 4404],
] as const)('%s is told and closed with its own code', async (_name, wrong, code) => {
  const url = await start()
  const person = await accounts.person()
  const client = await connect(url)
  client.send({ type: 'authenticate', accessToken: person.accessToken, ...wrong })
  expect(await client.closed).toBe(code)
  expect(client.errors()).toHaveLength(1)
})

test('whoever does not authenticate first and in time, or sends what is no message, is closed', async () => {
  const url = await start({ authenticateSecondsMax: 0.2 })
  const person = await accounts.person()
  const { instanceId } = await instanceOf(person)
  expect(await (await connect(url)).closed).toBe(1008)
  for (const text of [
    '{',
    'null',
    '{"type":"other"}',
    JSON.stringify({ type: 'subscribe', topic: 'instance', instanceId }),
    JSON.stringify({ type: 'authenticate', accessToken: person.accessToken, admin: true }),
  ]) {
    const client = await connect(url)
    client.socket.send(text)
    expect(await client.closed).toBe(1008)
    expect(client.errors()[0]?.error.code).toBe('invalid_input')
  }
  const large = await connect(url)
  large.socket.send('x'.repeat(20_000))
  expect(await large.closed).toBe(1009)
})

test('a log-in that ends closes the connection', async () => {
  const url = await start({ recheckSeconds: 0.1 })
  const person = await accounts.person()
  const client = await logIn(url, person)
  await accounts.accounts.logOut(person.refreshToken)
  accounts.clock.advance(2_000)
  expect(await client.closed).toBe(4401)
})

test('a token that expires closes the connection, unless a newer one of the same person came', async () => {
  const url = await start({ recheckSeconds: 0.1 })
  const person = await accounts.person()
  const [lasting, expiring] = [await logIn(url, person), await logIn(url, person)]
  accounts.clock.advance(50 * 60_000)
  const renewed = await accounts.accounts.refresh(person.refreshToken)
  lasting.send({ type: 'authenticate', accessToken: renewed.accessToken })
  await eventually(() => expect(lasting.received).toHaveLength(2))
  accounts.clock.advance(11 * 60_000)
  expect(await expiring.closed).toBe(4401)
  const other = await accounts.person()
  expect(lasting.socket.readyState).toBe(lasting.socket.OPEN)
  lasting.send({ type: 'authenticate', accessToken: other.accessToken })
  expect(await lasting.closed).toBe(1008)
})

test('a lost membership closes the connection', async () => {
  const url = await start({ recheckSeconds: 0.1 })
  const person = await accounts.person()
  const client = await logIn(url, person)
  await accounts.database.asSystem((trx) =>
    trx.deleteFrom('members').where('user_id', '=', person.user.id).execute(),
  )
  accounts.clock.advance(2_000)
  expect(await client.closed).toBe(4404)
})

test('a page of a foreign origin is refused, one of the dashboard and a program are not', async () => {
  const url = await start()
  await expect(connect(url, 'https://evil.example')).rejects.toThrow(/403/)
  await expect(connect(url, 'null')).rejects.toThrow(/403/)
  await connect(url, 'http://127.0.0.1:7300')
  await connect(url)
})

test('a client that does not read is cut off, and the others go on', async () => {
  const url = await start()
  const person = await accounts.person()
  const { instanceId, slotId } = await instanceOf(person)
  const [slow, quick] = [await logIn(url, person), await logIn(url, person)]
  for (const client of [slow, quick]) {
    client.send({ type: 'subscribe', topic: 'logs', instanceId })
    await eventually(() => expect(client.logs()).toHaveLength(1))
  }
  slow.socket.pause()
  // Kernel buffers take some megabytes before anything waits in ours.
  const text = 'x'.repeat(4_000)
  await eventually(() => {
    buffers.append(
      slotId,
      Array.from({ length: 20 }, () => line(text)),
    )
    expect(started[0]?.realtime.countClients()).toBe(1)
  })
  const count = quick.logs().length
  buffers.append(slotId, [line('still here')])
  await eventually(() => expect(quick.logs().at(-1)).toEqual(['still here']))
  expect(quick.logs().length).toBeGreaterThan(count)
  expect(quick.socket.readyState).toBe(quick.socket.OPEN)
})

test('one connection takes fifty subscriptions', async () => {
  const url = await start()
  const person = await accounts.person()
  const { instanceId } = await instanceOf(person)
  const others = await Promise.all(
    Array.from({ length: 50 }, async () => {
      const userId = await insertUser(accounts.database)
      return insertInstance(accounts.database, { organizationId: person.organizationId, userId })
    }),
  )
  const client = await logIn(url, person)
  for (const other of others)
    client.send({ type: 'subscribe', topic: 'instance', instanceId: other.instanceId })
  await eventually(() => expect(client.instances()).toHaveLength(50))
  client.send({ type: 'subscribe', topic: 'instance', instanceId })
  await eventually(() => expect(client.errors()[0]?.error.code).toBe('too_many_subscriptions'))
})

async function start(overrides: Partial<RealtimeOptions> = {}): Promise<string> {
  const server = createServer()
  const realtime = attachRealtime({
    upgrades: attachUpgrades(server),
    authenticator: accounts.authenticator,
    instances: createInstanceService({
      database: accounts.database,
      // Only what a view needs of them; nothing here starts a machine.
      drivers: { isolationOf: () => 'none' } as never,
      view: {
        addressOf: (slug) => `http://${slug}.localhost`,
        isolationOf: () => 'none',
        canSuspend: () => false,
        isOutdated: () => false,
      },
      singleUser: false,
      specVersion: 'test-1',
      settle: async () => undefined,
    }),
    logs,
    listener,
    allowedOrigins: () => ['http://127.0.0.1:7300'],
    ...overrides,
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  started.push({ server, realtime })
  return `ws://127.0.0.1:${(server.address() as AddressInfo).port}/realtime`
}

async function connect(url: string, origin?: string) {
  const socket = new WebSocket(url, origin ? { origin } : {})
  const received: ToClient[] = []
  socket.on('message', (data) => received.push(JSON.parse(String(data))))
  const closed = new Promise<number>((done) => socket.once('close', done))
  await once(socket, 'open')
  socket.on('error', () => undefined)
  const ofType = <T extends ToClient['type']>(type: T) =>
    received.filter((message): message is Extract<ToClient, { type: T }> => message.type === type)
  return {
    socket,
    received,
    closed,
    send: (message: FromClient) => socket.send(JSON.stringify(message)),
    instances: () => ofType('instance').map((message) => message.instance),
    logs: () => ofType('logs').map((message) => message.lines.map((one) => one.text)),
    errors: () => ofType('error'),
  }
}

async function logIn(url: string, person: TestPerson) {
  const client = await connect(url)
  client.send({ type: 'authenticate', accessToken: person.accessToken })
  await eventually(() => expect(client.received).toEqual([{ type: 'authenticated' }]))
  return client
}

function owner(person: TestPerson): { organizationId: string; userId: string } {
  return { organizationId: person.organizationId, userId: person.user.id }
}

async function instanceOf(person: TestPerson): Promise<{ instanceId: string; slotId: string }> {
  const { instanceId } = await insertInstance(accounts.database, owner(person))
  return { instanceId, slotId: await giveSlot(instanceId) }
}

async function giveSlot(instanceId: string): Promise<string> {
  const id = newId()
  await accounts.database.asSystem((trx) =>
    trx
      .insertInto('slots')
      .values({
        id,
        driver: 'fake',
        state: 'assigned',
        instance_id: instanceId,
        spec_version: 'test-1',
      } as never) // every other column has a default or may be null
      .execute(),
  )
  return id
}

async function rename(instanceId: string, name: string, notified: boolean): Promise<void> {
  await accounts.database.asSystem(async (trx) => {
    await trx.updateTable('instances').set({ name }).where('id', '=', instanceId).execute()
    if (notified) await notify(trx, 'instance_changed', instanceId)
  })
}

function line(text: string): LogLine {
  return { at: new Date().toISOString(), source: 'openclaw', text }
}
