import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { type Gate, startGate } from '../../gate/gate.ts'
import { gateHostHeader, gateVersionHeader, type PolicySlot } from '../../gate/protocol.ts'
import { connectAs } from '../../gate/test-support/gate.ts'
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts'
import { eventually } from '../../test/support/eventually.ts'
import { insertInstance, insertOrganization } from '../../test/support/rows.ts'
import { testSecret } from '../../test/support/secret.ts'
import { type Listener, openListener } from '../db/listen.ts'
import { notify } from '../db/notify.ts'
import { attachUpgrades } from '../http/upgrades.ts'
import { newId } from '../ids.ts'
import { openLog } from '../telemetry/log.ts'
import { attachGates, type Gates } from './gates.ts'
import { gateToken } from './token.ts'

let database: TestDatabase
let listener: Listener
let server: Server
let gates: Gates
let gate: Gate
let controlUrl: string
/** Stands for every server of the internet. */
let outside: Server

const hostName = 'machine one'
const slot: PolicySlot = {
  slotId: newId(),
  gateAddress: '127.3.0.2',
  instanceAddress: '127.3.0.3',
  egress: { mode: 'none', rules: [] },
}
let owner: { organizationId: string; userId: string }
let instanceId: string

beforeAll(async () => {
  database = await createTestDatabase()
  listener = openListener({ url: database.loginUrl })
  server = createServer()
  outside = createServer((_, answer) => answer.end('outside'))
  for (const one of [server, outside])
    await new Promise<void>((done) => {
      one.listen(0, '127.0.0.1', done)
    })
  const { port } = server.address() as AddressInfo
  controlUrl = `http://127.0.0.1:${port}`
  gates = attachGates({
    upgrades: attachUpgrades(server),
    database,
    listener,
    secret: testSecret,
    log: openLog('silent'),
    openPermitted: false,
    // Whatever these tests see within their time came by a hint.
    pollSeconds: 3600,
  })
  gate = await startTheGate()
  owner = await insertOrganization(database)
  instanceId = (await insertInstance(database, owner)).instanceId
})
afterAll(async () => {
  await gate.close()
  await gates.close()
  server.closeAllConnections()
  server.close()
  outside.close()
  await listener.close()
  await database.drop()
})
beforeEach(async () => {
  await database.asSystem(async (trx) => {
    await trx.deleteFrom('egress_denied').execute()
    await trx.deleteFrom('egress_rules').execute()
    await trx.deleteFrom('egress_settings').execute()
    await trx.deleteFrom('slots').execute()
    await notify(trx, 'egress_changed', owner.organizationId)
  })
})

const startTheGate = (): Promise<Gate> =>
  startGate(
    {
      hostName,
      controlUrl,
      token: gateToken(testSecret, hostName),
      inboundAddress: '127.0.0.1',
      privateAllowed: ['127.0.0.1/32'],
      hostsFile: undefined,
    },
    {
      log: () => undefined,
      ports: { relay: 0, egress: 0, inbound: 0, supervisor: 1 },
      lookup: async () => ['127.0.0.1'],
      limits: { reportSeconds: 0.05 },
    },
  )

/** What the slot's instance gets for a plain request to this name, or `closed`. */
const ask = async (host: string): Promise<string> => {
  const { port } = outside.address() as AddressInfo
  const socket = await connectAs(slot, gate.ports.egress)
  socket.write(`GET http://${host}:${port}/ HTTP/1.1\r\nHost: ${host}:${port}\r\nConnection: close\r\n\r\n`)
  const chunks: Buffer[] = []
  for await (const chunk of socket) chunks.push(chunk as Buffer)
  return /^HTTP\/1.1 (\d+)/.exec(Buffer.concat(chunks).toString())?.[1] ?? 'closed'
}
const becomes = (host: string, answer: string): Promise<void> =>
  eventually(async () => expect(await ask(host)).toBe(answer), 3_000)

const insertSlot = (instance: string | null): Promise<void> =>
  database.asSystem(async (trx) => {
    await trx
      .insertInto('slots')
      .values({
        id: slot.slotId,
        driver: 'docker',
        state: instance ? 'assigned' : 'available',
        instance_id: instance,
        spec_version: 'test',
        address: null,
        handle: null,
        pending_reason: null,
        failure_code: null,
        failure_message: null,
        bootstrap_hash: null,
        bootstrap_expires_at: null,
        link_credential_hash: null,
        link_node_id: null,
        link_connected_at: null,
        heartbeat_at: null,
        openclaw_version: null,
        supervisor_version: null,
        memory_bytes: null,
        cpu_percent: null,
        lease_owner: null,
        lease_until: null,
        retry_at: null,
        started_at: null,
        observed_at: null,
        not_ready_since: null,
        waiting_since: null,
        available_at: null,
        assigned_at: null,
        busy_at: null,
        active_at: null,
        next_wake_at: null,
        freeze_wanted: null,
        frozen: null,
        resumed_at: null,
        admitted_at: null,
        trimmed_at: null,
      })
      .execute()
    // As the driver's answer is stored: an update of its own.
    await trx
      .updateTable('slots')
      .set({
        handle: JSON.stringify({
          slotId: slot.slotId,
          host: hostName,
          gateAddress: slot.gateAddress,
          instanceAddress: slot.instanceAddress,
        }),
      })
      .where('id', '=', slot.slotId)
      .execute()
  })
const insertRule = (domain: string, of: string | null, ports: number[]): Promise<void> =>
  database.asSystem(async (trx) => {
    await trx
      .insertInto('egress_rules')
      .values({
        id: newId(),
        organization_id: owner.organizationId,
        instance_id: of,
        domain,
        ports,
        created_by: null,
      })
      .execute()
    await notify(trx, 'egress_changed', owner.organizationId)
  })
const outsidePort = (): number => (outside.address() as AddressInfo).port

describe('a gate', () => {
  it('learns of a slot as soon as its network is made, and lets nothing out while nobody owns it', async () => {
    await insertSlot(null)
    await becomes('api.example.com', '403')
  })

  it('lets out what the rules of the organization and of the instance name, as soon as they do', async () => {
    await insertSlot(instanceId)
    await becomes('api.example.com', '403')
    await insertRule('api.example.com', null, [outsidePort()])
    await becomes('api.example.com', '200')
    expect(await ask('api.example.org')).toBe('403')
    await insertRule('*.example.org', instanceId, [outsidePort()])
    await becomes('api.example.org', '200')
  })

  it('gets an allow-list where `open` is set and the operator does not permit it', async () => {
    await insertSlot(instanceId)
    await database.asSystem(async (trx) => {
      await trx
        .insertInto('egress_settings')
        .values({ organization_id: owner.organizationId, instance_id: null, mode: 'open' })
        .execute()
      await notify(trx, 'egress_changed', owner.organizationId)
    })
    await insertRule('listed.example.com', null, [outsidePort()])
    await becomes('listed.example.com', '200')
    expect(await ask('api.example.com')).toBe('403')
  })

  it('reports what it refused, counted by minute, for the instance that tried', async () => {
    await insertSlot(instanceId)
    await becomes('refused.example.com', '403')
    await ask('refused.example.com')
    await eventually(async () => {
      const rows = await database.inTenant(owner.organizationId, (trx) =>
        trx.selectFrom('egress_denied').selectAll().where('host', '=', 'refused.example.com').execute(),
      )
      expect(rows.every((row) => row.instance_id === instanceId)).toBe(true)
      expect(new Set(rows.map((row) => `${row.port} ${row.reason}`))).toEqual(
        new Set([`${outsidePort()} not_listed`]),
      )
      expect(rows.reduce((sum, row) => sum + row.attempts, 0)).toBeGreaterThanOrEqual(2)
    })
  })

  it('counts what instances send and receive', async () => {
    await insertSlot(instanceId)
    await insertRule('api.example.com', null, [outsidePort()])
    await becomes('api.example.com', '200')
    await eventually(async () => {
      const row = await database.inTenant(owner.organizationId, (trx) =>
        trx.selectFrom('egress_traffic').selectAll().executeTakeFirstOrThrow(),
      )
      expect(row.sent_bytes).toBeGreaterThan(20)
      expect(row.received_bytes).toBeGreaterThan(20)
    })
  })

  it('is refused with the token of another host, with none, and in another version', async () => {
    const refused = (headers: Record<string, string>): Promise<string> =>
      new Promise((done) => {
        const socket = new WebSocket(`${controlUrl.replace('http', 'ws')}/gate`, { headers })
        socket.once('error', (error) => done(error.message))
        socket.once('open', () => done('open'))
      })
    const right = {
      authorization: `Bearer ${gateToken(testSecret, 'other')}`,
      [gateHostHeader]: 'other',
      [gateVersionHeader]: '1',
    }
    for (const wrong of [
      { [gateHostHeader]: 'machine%20one' },
      { authorization: 'Bearer ' },
      { [gateVersionHeader]: '2' },
      { [gateHostHeader]: '%' },
    ])
      expect(await refused({ ...right, ...wrong })).toContain('401')
  })
})
