import { once } from 'node:events'
import { createServer, get, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { sql } from 'kysely'
import pg from 'pg'
import { pino } from 'pino'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { protocolVersion } from '../../supervisor/protocol.ts'
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts'
import { eventually } from '../../test/support/eventually.ts'
import { insertInstance, insertOrganization } from '../../test/support/rows.ts'
import { testSecret } from '../../test/support/secret.ts'
import { dialLink, openLink, type SupervisorClient } from '../../test/support/supervisor-client.ts'
import { type Listener, openListener } from '../db/listen.ts'
import { notify } from '../db/notify.ts'
import { attachUpgrades } from '../http/upgrades.ts'
import { newId } from '../ids.ts'
import { sha256 } from '../secrets.ts'
import { attachLink, type Link, type LinkOptions } from './link.ts'
import { clearExpired, pruneSamples } from './store.ts'

interface Node {
  url: string
  nodeId: string
  link: Link
  server: Server
}

let database: TestDatabase
let listener: Listener
let nodes: Node[] = []

beforeAll(async () => {
  database = await createTestDatabase()
  listener = openListener({ url: database.loginUrl })
})
afterAll(async () => {
  await listener.close()
  await database.drop()
})
afterEach(async () => {
  for (const node of nodes) {
    await node.link.close()
    node.server.closeAllConnections()
    await new Promise((done) => node.server.close(done))
  }
  nodes = []
})

test('a bootstrap token admits once and is exchanged for a credential that admits from then on', async () => {
  const node = await startNode()
  const slotId = await insertSlot('first')
  const first = await dialLink(node.url, slotId, { kind: 'bootstrap', token: 'first' })
  const welcome = await first.get('welcome')
  expect(welcome).toMatchObject({
    heartbeatSeconds: 5,
    leaseSeconds: 900,
    desired: { run: 'run', owner: null },
  })
  expect(await readSlot(slotId)).toMatchObject({
    link_node_id: node.nodeId,
    openclaw_version: '2026.9.6',
    supervisor_version: '1.2.3',
    bootstrap_hash: null,
  })
  const again = await dialLink(node.url, slotId, { kind: 'bootstrap', token: 'first' })
  expect(await again.get('refused')).toMatchObject({ code: 'credential_invalid', retry: false })
  await again.closed
  expect(first.socket.readyState).toBe(first.socket.OPEN)
  const credential = { kind: 'link', token: welcome.linkCredential as string } as const
  const later = await dialLink(node.url, slotId, credential)
  expect((await later.get('welcome')).linkCredential).toBeNull()
})

test('of ten connections racing with one bootstrap token one is admitted', async () => {
  const node = await startNode()
  const slotId = await insertSlot('raced')
  const clients = await Promise.all(
    Array.from({ length: 10 }, () => dialLink(node.url, slotId, { kind: 'bootstrap', token: 'raced' })),
  )
  await eventually(() => {
    const first = clients.map((client) => client.received[0]?.type).sort()
    expect(first).toEqual([...Array(9).fill('refused'), 'welcome'])
  })
})

test.each([
  ['a wrong bootstrap token', { kind: 'bootstrap', token: 'wrong' }],
  ['a wrong link credential', { kind: 'link', token: 'wrong' }],
  ['a bootstrap token given as link credential', { kind: 'link', token: 'right' }],
  ['an empty credential', { kind: 'link', token: '' }],
] as const)('%s is refused', async (_name, credential) => {
  const node = await startNode()
  const client = await dialLink(node.url, await insertSlot('right'), credential)
  expect(await client.get('refused')).toMatchObject({ code: 'credential_invalid', retry: false })
  expect(await client.closed).toBe(1008)
})

test('unknown and malformed slots and expired tokens are refused like wrong credentials', async () => {
  const node = await startNode()
  const expired = await insertSlot('late', -1)
  const credential = { kind: 'bootstrap', token: 'late' } as const
  const answers = []
  for (const slotId of [expired, newId(), 'not-an-id', "'; drop table slots"]) {
    const client = await dialLink(node.url, slotId, credential)
    answers.push(await client.get('refused'))
  }
  expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1)
})

test('a removed slot is told so only with the credential that it had', async () => {
  const node = await startNode()
  const slotId = await insertLinkedSlot()
  await database.asSystem((trx) =>
    trx.updateTable('slots').set({ state: 'removed' }).where('id', '=', slotId).execute(),
  )
  const owner = await dialLink(node.url, slotId, { kind: 'link', token: slotId })
  expect(await owner.get('refused')).toMatchObject({ code: 'slot_gone', retry: false })
  const stranger = await dialLink(node.url, slotId, { kind: 'link', token: 'guess' })
  expect(await stranger.get('refused')).toMatchObject({ code: 'credential_invalid' })
})

test('another version of the protocol is refused before its credential is used up', async () => {
  const node = await startNode()
  const slotId = await insertSlot('kept')
  const credential = { kind: 'bootstrap', token: 'kept' } as const
  const newer = await dialLink(node.url, slotId, credential, protocolVersion + 1)
  expect(await newer.get('refused')).toMatchObject({ code: 'protocol_unsupported', retry: true })
  const older = await dialLink(node.url, slotId, credential, protocolVersion - 1)
  expect(await older.get('refused')).toMatchObject({ code: 'protocol_unsupported', retry: false })
  const right = await dialLink(node.url, slotId, credential)
  expect((await right.get('welcome')).linkCredential).toMatch(/^[\w-]{43}$/)
})

test('whoever says nothing, something else than hello, too much or hello twice is closed', async () => {
  const node = await startNode({ helloSecondsMax: 0.2 })
  const mute = await openLink(node.url)
  expect(await mute.closed).toBe(1008)
  for (const text of ['{', '[]', '{"type":"heartbeat"}', '{"type":"hello","protocolVersion":1}']) {
    const client = await openLink(node.url)
    client.socket.send(text)
    expect(await client.closed).toBe(1008)
  }
  const large = await openLink(node.url)
  large.socket.send('x'.repeat(1024 * 1024 + 1))
  expect(await large.closed).toBe(1009)
  const slotId = await insertLinkedSlot()
  const twice = await dialLink(node.url, slotId, { kind: 'link', token: slotId })
  await twice.get('welcome')
  twice.send({
    type: 'hello',
    protocolVersion,
    slotId,
    credential: { kind: 'link', token: slotId },
    supervisorVersion: '',
    openclawVersion: '',
  })
  expect(await twice.closed).toBe(1008)
})

test('connections that say nothing keep no supervisor out: the one that has been silent longest is closed', async () => {
  const node = await startNode({ unknownMax: 3, helloSecondsMax: 60 })
  const silent = []
  for (let count = 0; count < 3; count++) silent.push(await openLink(node.url))
  const slotId = await insertLinkedSlot()
  const supervisor = await dialLink(node.url, slotId, { kind: 'link', token: slotId })
  await supervisor.get('welcome')
  expect(await silent[0]?.closed).toBe(1012)
  expect(silent.slice(1).map(({ socket }) => socket.readyState)).toEqual([1, 1])
  // Links do not count: there is room for one more beside the two.
  await openLink(node.url)
  expect(silent.slice(1).map(({ socket }) => socket.readyState)).toEqual([1, 1])
  expect(supervisor.socket.readyState).toBe(1)
})

test('whoever is turned away may answer with anything at all', async () => {
  const node = await startNode({ unknownMax: 0 })
  const request = get(node.url.replace('ws:', 'http:'), {
    headers: {
      connection: 'upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': Buffer.alloc(16).toString('base64'),
    },
  })
  const [, socket] = await once(request, 'upgrade')
  socket.write(Buffer.alloc(64, 0xff))
  socket.resume()
  await once(socket, 'close')
  expect(await (await openLink(node.url)).closed).toBe(1012)
})

test('the newest link of a slot wins, on one control plane and across two', async () => {
  const [one, two] = [await startNode({ pollSeconds: 600 }), await startNode({ pollSeconds: 600 })]
  const slotId = await insertLinkedSlot()
  const credential = { kind: 'link', token: slotId } as const
  const first = await dialLink(one.url, slotId, credential)
  await first.get('welcome')
  const second = await dialLink(one.url, slotId, credential)
  await second.get('welcome')
  expect(await first.closed).toBe(4001)
  const third = await dialLink(two.url, slotId, credential)
  await third.get('welcome')
  expect(await second.closed).toBe(4001)
  await eventually(() => expect([one.link.countLinks(), two.link.countLinks()]).toEqual([0, 1]))
  expect((await readSlot(slotId)).link_node_id).toBe(two.nodeId)
})

test('status is written, a lasting failure with it, and being ready ends the failure', async () => {
  const node = await startNode()
  const slotId = await insertLinkedSlot()
  const client = await dialLink(node.url, slotId, { kind: 'link', token: slotId })
  await client.get('welcome')
  const status = { type: 'status', warm: false, appliedRestartGeneration: 3 } as const
  const failure = { code: 'configuration_invalid', message: 'no such model' } as const
  client.send({ ...status, phase: 'restarting', ready: false, failure })
  await eventually(async () => expect((await readSlot(slotId)).applied_restart_generation).toBe(3))
  expect((await readSlot(slotId)).failure_code).toBeNull()
  client.send({ ...status, phase: 'failed', ready: false, failure })
  await eventually(async () =>
    expect(await readSlot(slotId)).toMatchObject({
      failure_code: 'configuration_invalid',
      failure_message: 'no such model',
    }),
  )
  client.send({ ...status, phase: 'ready', ready: true, warm: true, failure: null })
  await eventually(async () =>
    expect(await readSlot(slotId)).toMatchObject({ ready: true, warm: true, failure_code: null }),
  )
})

test('a heartbeat is answered with a lease and counted once; a repeated or late one is answered only', async () => {
  const node = await startNode()
  const { slotId, instanceId } = await insertAssignedSlot()
  const client = await dialLink(node.url, slotId, { kind: 'link', token: slotId })
  await client.get('welcome')
  const beat = (sequence: number, memoryBytes: number) =>
    client.send({ type: 'heartbeat', sequence, at: 'any', memoryBytes, cpuPercent: 12.5, turnsInFlight: 0 })
  const leased = (...sequences: number[]) =>
    eventually(() =>
      expect(client.received.filter((message) => message.type === 'lease')).toEqual(
        sequences.map((sequence) => ({ type: 'lease', sequence, leaseSeconds: 900 })),
      ),
    )
  beat(5, 500)
  beat(5, 555)
  beat(4, 444)
  await leased(5, 5, 4)
  expect(await readSlot(slotId)).toMatchObject({
    heartbeat_sequence: 5,
    memory_bytes: 500,
    cpu_percent: 12.5,
  })
  beat(6, 600)
  await leased(5, 5, 4, 6)
  expect(await readSlot(slotId)).toMatchObject({ heartbeat_sequence: 6, memory_bytes: 600 })
  // Four heartbeats within fifteen seconds leave one sample: the first.
  expect(await readSamples(instanceId)).toEqual([500])
  await database.asSystem((trx) =>
    sql`update instance_samples set at = at - interval '16 seconds'`.execute(trx),
  )
  beat(7, 700)
  await eventually(async () => expect(await readSamples(instanceId)).toEqual([500, 700]))
  await database.asSystem((trx) =>
    sql`update instance_samples set at = at - interval '25 hours' where memory_bytes = 500`.execute(trx),
  )
  await pruneSamples(database)
  expect(await readSamples(instanceId)).toEqual([700])
})

test('a supervisor that lost its count goes on from an older number in its next link, and is counted', async () => {
  const node = await startNode()
  const { slotId } = await insertAssignedSlot()
  const beat = async (sequence: number, memoryBytes: number) => {
    const client = await dialLink(node.url, slotId, { kind: 'link', token: slotId })
    await client.get('welcome')
    client.send({ type: 'heartbeat', sequence, at: 'any', memoryBytes, cpuPercent: 0, turnsInFlight: 0 })
    await client.get('lease')
  }
  await beat(900, 1)
  await beat(100, 2)
  expect(await readSlot(slotId)).toMatchObject({ heartbeat_sequence: 100, memory_bytes: 2 })
})

test('a lease reaches as far as the credits that are held, beyond the next heartbeat in any case, and no further than usual', async () => {
  const node = await startNode()
  const { slotId, instanceId } = await insertAssignedSlot()
  const client = await dialLink(node.url, slotId, { kind: 'link', token: slotId })
  // Nobody has said yet how far they reach.
  expect((await client.get('welcome')).leaseSeconds).toBe(60)
  const { organization_id } = await database.asSystem((trx) =>
    trx
      .selectFrom('instances')
      .select('organization_id')
      .where('id', '=', instanceId)
      .executeTakeFirstOrThrow(),
  )
  await database.asSystem((trx) =>
    trx
      .insertInto('runtime_meters')
      .values({
        instance_id: instanceId,
        organization_id,
        state: 'running',
        metered_until: new Date(),
        supervisor_run: null,
      })
      .execute(),
  )
  let sequence = 0
  const leaseAfter = async (coveredSeconds: number) => {
    await database.asSystem((trx) =>
      sql`insert into runtime_windows (organization_id, reservation_id, covered_until)
        values (${organization_id}, ${newId()}, clock_timestamp() + make_interval(secs => ${coveredSeconds}))
        on conflict (organization_id) do update set covered_until = excluded.covered_until`.execute(trx),
    )
    sequence += 1
    const beat = { type: 'heartbeat', at: 'any', memoryBytes: 0, cpuPercent: 0, turnsInFlight: 0 } as const
    client.send({ ...beat, sequence, served: { run: 'r', ms: sequence } })
    return eventually(() => {
      const lease = client.received.findLast((message) => message.type === 'lease')
      expect(lease?.sequence).toBe(sequence)
      return lease?.leaseSeconds as number
    })
  }
  const lease = await leaseAfter(100)
  expect(lease).toBeGreaterThan(90)
  expect(lease).toBeLessThanOrEqual(100)
  expect(await leaseAfter(-10)).toBe(12.5)
  expect(await leaseAfter(10_000)).toBe(900)
  // And what the supervisor counted has reached the meter.
  const meter = await database.asSystem((trx) =>
    trx
      .selectFrom('runtime_meters')
      .selectAll()
      .where('instance_id', '=', instanceId)
      .executeTakeFirstOrThrow(),
  )
  expect(meter).toMatchObject({ supervisor_run: 'r', running_ms: 3 })
})

test('a slot of the pool that is given to somebody gives up its long lease', async () => {
  const node = await startNode()
  const slotId = await insertLinkedSlot()
  const client = await dialLink(node.url, slotId, { kind: 'link', token: slotId })
  expect((await client.get('welcome')).leaseSeconds).toBe(900)
  const { instanceId } = await insertInstance(database, await insertOrganization(database))
  await database.asSystem(async (trx) => {
    await trx
      .updateTable('slots')
      .set({ state: 'assigned', instance_id: instanceId })
      .where('id', '=', slotId)
      .execute()
    await notify(trx, 'slot_changed', slotId)
  })
  expect(await client.get('lease')).toEqual({ type: 'lease', sequence: 0, leaseSeconds: 60 })
})

test('a changed wish reaches the supervisor within a second', async () => {
  const node = await startNode({ pollSeconds: 600 })
  const slotId = await insertLinkedSlot()
  const client = await dialLink(node.url, slotId, { kind: 'link', token: slotId })
  const { desired } = await client.get('welcome')
  expect(desired.owner).toBeNull()
  const owner = await insertOrganization(database)
  const { instanceId, slug } = await insertInstance(database, owner)
  const changedAt = performance.now()
  await database.asSystem(async (trx) => {
    await trx
      .updateTable('slots')
      .set({ state: 'assigned', instance_id: instanceId })
      .where('id', '=', slotId)
      .execute()
    await notify(trx, 'slot_changed', slotId)
  })
  const pushed = await client.get('desired')
  expect(performance.now() - changedAt).toBeLessThan(1_000)
  expect(pushed.desired).toEqual({
    ...desired,
    owner: {
      instanceId,
      slug,
      userNames: [`${owner.userId}@example.test`],
      origins: [`http://${slug}.localhost:7301`],
    },
  })
  await database.asSystem((trx) => notify(trx, 'slot_changed', slotId))
  await database.asSystem(async (trx) => {
    await trx.updateTable('slots').set({ wanted: 'stopped' }).where('id', '=', slotId).execute()
    await notify(trx, 'slot_changed', slotId)
  })
  await eventually(async () => expect((await client.get('desired')).desired.run).toBe('stop'))
  // The hint in between changed nothing, so nothing was sent for it.
  expect(client.received.filter((message) => message.type === 'desired')).toHaveLength(2)
})

test('a changed wish whose notification was lost is found by the poll', async () => {
  const node = await startNode({ pollSeconds: 0.2 })
  const slotId = await insertLinkedSlot()
  const client = await dialLink(node.url, slotId, { kind: 'link', token: slotId })
  await client.get('welcome')
  await database.asSystem((trx) =>
    trx.updateTable('slots').set({ restart_generation: 7 }).where('id', '=', slotId).execute(),
  )
  expect((await client.get('desired')).desired.restartGeneration).toBe(7)
})

test('what a supervisor says while the database breaks every connection is written all the same', async () => {
  const node = await startNode()
  const slotId = await insertLinkedSlot()
  const client = await dialLink(node.url, slotId, { kind: 'link', token: slotId })
  await client.get('welcome')
  const admin = new pg.Client({ connectionString: database.adminUrl })
  await admin.connect()
  const name = new URL(database.adminUrl).pathname.slice(1)
  let broken = 0
  for (let generation = 1; generation <= 20; generation++) {
    const { rowCount } = await admin.query(
      'select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and pid <> pg_backend_pid()',
      [name],
    )
    broken += rowCount ?? 0
    client.send({
      type: 'status',
      phase: 'ready',
      ready: true,
      warm: true,
      appliedRestartGeneration: generation,
      failure: null,
    })
  }
  await admin.end()
  expect(broken).toBeGreaterThan(0)
  await eventually(async () =>
    expect(await readSlot(slotId)).toMatchObject({ ready: true, applied_restart_generation: 20 }),
  )
  expect(client.socket.readyState).toBe(client.socket.OPEN)
})

test('a link that ends leaves the slot ready; one that goes silent does not', async () => {
  const node = await startNode({ heartbeatSeconds: 0.2 })
  const [ended, silent] = [await insertLinkedSlot(), await insertLinkedSlot()]
  const clients = []
  for (const slotId of [ended, silent]) {
    const client = await dialLink(node.url, slotId, { kind: 'link', token: slotId })
    await client.get('welcome')
    client.send({
      type: 'status',
      phase: 'ready',
      ready: true,
      warm: true,
      appliedRestartGeneration: 0,
      failure: null,
    })
    await eventually(async () => expect((await readSlot(slotId)).ready).toBe(true))
    clients.push(client)
  }
  clients[0]?.socket.terminate()
  // Half-open: the socket stays, but nobody reads it any more, so no ping is answered.
  clients[1]?.socket.pause()
  for (const [slotId, ready] of [
    [ended, true],
    [silent, false],
  ] as const)
    await eventually(async () =>
      expect(await readSlot(slotId)).toMatchObject({ link_node_id: null, link_connected_at: null, ready }),
    )
})

test('a quiet supervisor that answers pings is not given up', async () => {
  const node = await startNode({ heartbeatSeconds: 0.1 })
  const slotId = await insertLinkedSlot()
  const client = await dialLink(node.url, slotId, { kind: 'link', token: slotId })
  await client.get('welcome')
  let pings = 0
  client.socket.on('ping', () => {
    pings += 1
  })
  // Ten pings take twice as long as silence would be borne.
  await eventually(() => expect(pings).toBeGreaterThan(10))
  expect(client.socket.readyState).toBe(client.socket.OPEN)
})

test('what nobody has heard of for longer than its lease is not ready any more', async () => {
  const [old, recent] = [await insertLinkedSlot(), await insertLinkedSlot()]
  await database.asSystem(async (trx) => {
    await sql`update slots set ready = true, link_node_id = ${newId()}, link_connected_at = now() - interval '1 day',
      heartbeat_at = now() - make_interval(secs => case when id = ${old} then 901 else 890 end)
      where id in (${old}, ${recent})`.execute(trx)
  })
  await clearExpired(database, 900)
  expect(await readSlot(old)).toMatchObject({ ready: false, link_node_id: null })
  expect(await readSlot(recent)).toMatchObject({ ready: true })
})

test('a control plane that stops closes its links, and the next one takes them over', async () => {
  const one = await startNode()
  const slotId = await insertLinkedSlot()
  const credential = { kind: 'link', token: slotId } as const
  const before = await dialLink(one.url, slotId, credential)
  await before.get('welcome')
  await one.link.close()
  expect(await before.closed).toBe(1012)
  expect((await readSlot(slotId)).link_node_id).toBeNull()
  const two = await startNode()
  await (await dialLink(two.url, slotId, credential)).get('welcome')
  expect((await readSlot(slotId)).link_node_id).toBe(two.nodeId)
})

test('log lines are kept to the last two thousand, each to a bound, and followers see new ones', async () => {
  const node = await startNode()
  const slotId = await insertLinkedSlot()
  const client = await dialLink(node.url, slotId, { kind: 'link', token: slotId })
  await client.get('welcome')
  sendLines(client, 0, 10)
  await eventually(async () => expect(await node.link.logs.tail(slotId, 100)).toHaveLength(10))
  const seen: string[][] = []
  const end = node.link.logs.follow(slotId, 3, (lines) => seen.push(lines.map((line) => line.text)))
  await eventually(() => expect(seen).toEqual([['line 7', 'line 8', 'line 9']]))
  sendLines(client, 10, 5_000)
  await eventually(() => expect(seen.flat()).toHaveLength(3 + 4_990))
  expect(await node.link.logs.tail(slotId, 10_000)).toHaveLength(2_000)
  expect(await node.link.logs.tail(slotId, 1)).toMatchObject([{ text: 'line 4999' }])
  end()
  client.send({ type: 'logs', lines: [{ at: 'no time', source: 'supervisor', text: 'x'.repeat(100_000) }] })
  await eventually(async () => {
    const [line] = await node.link.logs.tail(slotId, 1)
    expect(line?.text).toMatch(/^x{4096} \[cut\]$/)
    expect(new Date(line?.at ?? '').toISOString()).toBe(line?.at)
  })
  expect(seen.flat()).toHaveLength(3 + 4_990)
})

test('logs are read and followed from the control plane that holds the link, also when it moves', async () => {
  const [one, two] = [await startNode(), await startNode()]
  const slotId = await insertLinkedSlot()
  const credential = { kind: 'link', token: slotId } as const
  const first = await dialLink(one.url, slotId, credential)
  await first.get('welcome')
  sendLines(first, 0, 3)
  await eventually(async () =>
    expect(await two.link.logs.tail(slotId, 2)).toMatchObject([{ text: 'line 1' }, { text: 'line 2' }]),
  )
  const seen: string[] = []
  const end = two.link.logs.follow(slotId, 100, (lines) => seen.push(...lines.map((line) => line.text)))
  await eventually(() => expect(seen).toHaveLength(3))
  sendLines(first, 3, 5)
  await eventually(() => expect(seen).toHaveLength(5))
  const second = await dialLink(two.url, slotId, credential)
  await second.get('welcome')
  sendLines(second, 5, 7)
  await eventually(() => expect(seen).toEqual([0, 1, 2, 3, 4, 5, 6].map((index) => `line ${index}`)))
  end()
})

test('a control plane that does not answer for its logs is an error, and strangers get nothing from one that does', async () => {
  const [one, two] = [await startNode(), await startNode()]
  const slotId = await insertLinkedSlot()
  await (await dialLink(one.url, slotId, { kind: 'link', token: slotId })).get('welcome')
  await expect(openLink(`${one.url}/logs?slot=${slotId}&tail=5`)).rejects.toThrow(/404/)
  await database.asSystem((trx) =>
    trx
      .updateTable('nodes')
      .set({ internal_url: 'http://127.0.0.1:1' })
      .where('id', '=', one.nodeId)
      .execute(),
  )
  await expect(two.link.logs.tail(slotId, 5)).rejects.toMatchObject({
    kind: 'unavailable',
    code: 'logs_unavailable',
  })
})

test('a WebSocket on any other path is refused with the ordinary answer', async () => {
  const node = await startNode()
  await expect(openLink(node.url.replace('/link', '/other'))).rejects.toThrow(/404/)
})

async function startNode(overrides: Partial<LinkOptions> = {}): Promise<Node> {
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
      modelBaseUrl: () => 'http://127.0.0.1:7300/models/v1',
      models: () => ({ primary: 'demo/reef-demo', offered: [], warmup: 'demo/reef-demo' }),
      modelKey: (slotId) => `rmk_${slotId}`,
      origins: (slug) => [`http://${slug}.localhost:7301`],
    },
    ...overrides,
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const { port } = server.address() as AddressInfo
  const node = { url: `ws://127.0.0.1:${port}/link`, nodeId, link, server }
  await database.asSystem((trx) =>
    trx
      .insertInto('nodes')
      .values({ id: nodeId, internal_url: `http://127.0.0.1:${port}` })
      .execute(),
  )
  nodes.push(node)
  return node
}

function sendLines(client: SupervisorClient, from: number, to: number): void {
  for (let first = from; first < to; first += 500) {
    const lines = []
    for (let index = first; index < Math.min(to, first + 500); index++)
      lines.push({ at: new Date(index).toISOString(), source: 'openclaw' as const, text: `line ${index}` })
    client.send({ type: 'logs', lines })
  }
}

async function insertSlot(bootstrapToken: string, validSeconds = 600): Promise<string> {
  const id = newId()
  await database.asSystem((trx) =>
    sql`insert into slots (id, driver, state, spec_version, phase, bootstrap_hash, bootstrap_expires_at)
      values (${id}, 'fake', 'initializing', 'test-1', 'running', ${sha256(bootstrapToken)},
        now() + make_interval(secs => ${validSeconds}))`.execute(trx),
  )
  return id
}

/** Its link credential is its id. */
async function insertLinkedSlot(): Promise<string> {
  const id = await insertSlot(newId())
  await database.asSystem((trx) =>
    trx
      .updateTable('slots')
      .set({ link_credential_hash: sha256(id) })
      .where('id', '=', id)
      .execute(),
  )
  return id
}

async function insertAssignedSlot(): Promise<{ slotId: string; instanceId: string }> {
  const slotId = await insertLinkedSlot()
  const { instanceId } = await insertInstance(database, await insertOrganization(database))
  await database.asSystem((trx) =>
    trx
      .updateTable('slots')
      .set({ state: 'assigned', instance_id: instanceId })
      .where('id', '=', slotId)
      .execute(),
  )
  return { slotId, instanceId }
}

function readSlot(id: string) {
  return database.asSystem((trx) =>
    trx.selectFrom('slots').selectAll().where('id', '=', id).executeTakeFirstOrThrow(),
  )
}

async function readSamples(instanceId: string): Promise<number[]> {
  const rows = await database.asSystem((trx) =>
    trx
      .selectFrom('instance_samples')
      .select('memory_bytes')
      .where('instance_id', '=', instanceId)
      .orderBy('at')
      .execute(),
  )
  return rows.map((row) => row.memory_bytes)
}
