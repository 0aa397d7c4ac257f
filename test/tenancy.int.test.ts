import type { KyselyPlugin, RootOperationNode } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import type { Database, Trx } from '../src/db/database.ts'
import { newId } from '../src/ids.ts'
import { insertCompleteBackup, insertRestore } from './backups/support/rows.ts'
import { startTestApp, type TestApp } from './support/app.ts'
import type { Instance, TestClient } from './support/client.ts'
import { insertPayment } from './support/rows.ts'
import { fillPath, routesOf, type WalkedRoute } from './support/walk.ts'

/** A body that each route with one takes, so that nothing but the caller can be what is wrong. */
const bodies: Record<string, object> = {
  'PATCH /api/orgs/{organizationId}': { name: 'Guild' },
  'PATCH /api/orgs/{organizationId}/members/{userId}': { role: 'admin' },
  'POST /api/orgs/{organizationId}/invitations': { email: 'guest@example.com' },
  'PUT /api/orgs/{organizationId}/egress': { mode: 'allow_list' },
  'PUT /api/orgs/{organizationId}/egress/rules': { domain: 'example.com' },
  'PUT /api/instances/{instanceId}/egress': { mode: 'allow_list' },
  'PUT /api/instances/{instanceId}/egress/rules': { domain: 'example.com' },
  'POST /api/instances/{instanceId}/domains': { domain: 'claw.example.com' },
  'POST /api/instances/{instanceId}/visit': {},
  'PUT /api/orgs/{organizationId}/secrets/{secretName}': { value: 'value' },
  'PUT /api/instances/{instanceId}/secrets/{secretName}': { value: 'value' },
  'PUT /api/credits/budgets/{budgetId}': { limitMicros: 1_000_000 },
  'POST /api/admin/payments/{paymentId}/refund': {},
  'PUT /api/admin/hosts/{hostName}': { state: 'draining' },
}

/** Paths under the proxy's listener that carry an id. */
const proxiedPaths = [
  ['GET', '/api/sessions/{sessionId}/conversations'],
  ['POST', '/api/sessions/{sessionId}/conversations'],
  ['GET', '/api/sessions/{sessionId}/conversations/main/messages'],
] as const

type Ids = Record<string, string>

async function testAlert(owner: TestClient): Promise<string> {
  await owner.call('POST', '/api/credits/alert-webhook/test')
  const { alerts } = await owner.call<{ alerts: { id: string; kind: string }[] }>('GET', '/api/alerts')
  return alerts.find(({ kind }) => kind === 'test')?.id as string
}

/** One of everything that a tenant can own, by the name that routes give its id. */
async function possessionsOf(
  owner: TestClient,
): Promise<Ids & { instanceId: string; organizationId: string; userId: string }> {
  const instance = await owner.provision()
  const me = await owner.call<{ organization: { id: string }; user: { id: string } }>('GET', '/api/me')
  const organizationId = me.organization.id
  const made = async (path: string, body: object) => (await owner.call<{ id: string }>('POST', path, body)).id
  for (const place of [`orgs/${organizationId}`, `instances/${instance.id}`])
    await owner.call('PUT', `/api/${place}/secrets/SECRET_NAME`, { value: 'value' })
  return {
    organizationId,
    secretName: 'SECRET_NAME',
    hostName: 'host-of-nobody',
    domainId: await made(`/api/instances/${instance.id}/domains`, { domain: 'claw.example.com' }),
    userId: me.user.id,
    instanceId: instance.id,
    sessionId: instance.sessionId as string,
    budgetId: await made('/api/credits/budgets', {
      scope: 'instance',
      subjectId: instance.id,
      period: 'day',
      limitMicros: 1_000_000_000,
    }),
    alertId: await testAlert(owner),
    apiKeyId: await made('/api/api-keys', { name: 'key' }),
    invitationId: await made(`/api/orgs/${organizationId}/invitations`, { email: 'guest@example.com' }),
    domain: 'api.egress.test',
    preset: 'whatsapp',
  }
}

describe('a stranger', () => {
  let app: TestApp
  let owner: TestClient
  let stranger: TestClient
  let foreign: Ids & { instanceId: string }
  let missing: Ids

  beforeAll(async () => {
    app = await startTestApp()
    owner = await app.person('owner@example.com')
    stranger = await app.person('stranger@example.com')
    const owned = await possessionsOf(owner)
    const backupId = await insertCompleteBackup(app.database, owned)
    foreign = {
      ...owned,
      backupId,
      restoreId: await insertRestore(app.database, owned, backupId),
      paymentId: await insertPayment(app.database, owned.organizationId),
    }
    missing = Object.fromEntries(Object.keys(foreign).map((name) => [name, newId()]))
  })
  afterAll(() => app.end())

  const walked = (): WalkedRoute[] =>
    routesOf(app.server).filter((route) => route.secured && route.parameters.length > 0)

  it('gets one and the same 404 for what is foreign and what is missing, on every route of the document', async () => {
    expect(walked().length).toBeGreaterThan(15)
    for (const route of walked()) {
      const name = `${route.method} ${route.path}`
      const body = bodies[name]
      if (route.hasBody && !body) throw new Error(`${name}: the walk has no body for it`)
      const answers = await Promise.all(
        [foreign, missing].map((ids) => stranger.raw(route.method, fillPath(route, ids), body)),
      )
      expect([name, answers.map((answer) => answer.status)]).toEqual([name, [404, 404]])
      const texts = await Promise.all(answers.map((answer) => answer.text()))
      expect([name, texts[0]]).toEqual([name, texts[1]])
    }
  })

  it('gets the same 404 on the proxied paths', async () => {
    for (const [method, path] of proxiedPaths) {
      const texts: string[] = []
      for (const ids of [foreign, missing]) {
        const answer = await stranger.raw(method, path.replace('{sessionId}', ids.sessionId as string))
        expect([path, answer.status]).toEqual([path, 404])
        texts.push(await answer.text())
      }
      expect(texts[0]).toBe(texts[1])
    }
  })

  it('gets the same answer on the WebSocket', async () => {
    const ask = (instanceId: string, topic: string): Promise<string> =>
      new Promise((done, fail) => {
        const socket = new WebSocket(`${app.url.replace(/^http/, 'ws')}/realtime`)
        socket.on('error', fail)
        socket.on('open', () =>
          socket.send(JSON.stringify({ type: 'authenticate', accessToken: stranger.tokens.accessToken })),
        )
        socket.on('message', (data) => {
          const message = JSON.parse(String(data)) as { type: string }
          if (message.type === 'authenticated')
            socket.send(JSON.stringify({ type: 'subscribe', topic, instanceId }))
          else {
            done(String(data).replaceAll(instanceId, 'ID'))
            socket.close()
          }
        })
      })
    for (const topic of ['instance', 'logs']) {
      const answer = await ask(foreign.instanceId, topic)
      expect(answer).toContain('not_found')
      expect(answer).toBe(await ask(missing.instanceId as string, topic))
    }
  })

  it('cannot act in a foreign organization by naming it', async () => {
    const answer = await fetch(`${app.url}/api/instances`, {
      headers: {
        authorization: `Bearer ${stranger.tokens.accessToken}`,
        'reef-organization': foreign.organizationId as string,
      },
    })
    expect(answer.status).toBe(404)
  })

  it('leaves everything as it was', async () => {
    const { instances } = await owner.call<{ instances: Instance[] }>('GET', '/api/instances')
    expect(instances.map((instance) => [instance.id, instance.status])).toEqual([
      [foreign.instanceId, 'running'],
    ])
  })

  it('finds no name of a tenant in the metrics', async () => {
    const text = await (await fetch(`${app.url}/metrics`)).text()
    expect(text).toContain('reef_instances')
    for (const id of Object.values(foreign)) expect(text).not.toContain(id)
    expect(text).not.toContain('owner@example.com')
  })
})

/** The mutation: every filter of every query is gone, as if whoever wrote it had forgotten it. */
const forgetFilters: KyselyPlugin = {
  transformQuery: ({ node }) => {
    if (node.kind !== 'SelectQueryNode' && node.kind !== 'UpdateQueryNode' && node.kind !== 'DeleteQueryNode')
      return node
    const { where: _forgotten, ...rest } = node
    return rest as RootOperationNode
  },
  transformResult: async ({ result }) => result,
}

describe('with every filter of the application forgotten', () => {
  let app: TestApp
  let forgetting = false
  beforeAll(async () => {
    app = await startTestApp({
      wrapDatabase: (database): Database => ({
        ...database,
        inTenant: (organizationId, work) =>
          database.inTenant(organizationId, (trx) =>
            work(forgetting ? (trx.withPlugin(forgetFilters) as Trx) : trx),
          ),
      }),
    })
  })
  afterAll(() => app.end())

  it('row-level security still shows each tenant nothing of another', async () => {
    const owner = await app.person('owner@example.com')
    const stranger = await app.person('stranger@example.com')
    const foreign = await possessionsOf(owner)
    const own = await possessionsOf(stranger)
    for (const one of [foreign, own]) {
      await insertCompleteBackup(app.database, one)
      one.paymentId = await insertPayment(app.database, one.organizationId)
    }
    const lists = [
      '/api/instances',
      '/api/sessions',
      `/api/instances/${own.instanceId}/backups`,
      '/api/api-keys',
      '/api/payments',
      '/api/credits/budgets',
      `/api/orgs/${own.organizationId}/members`,
    ]
    forgetting = true
    for (const path of [...lists, `/api/orgs/${own.organizationId}/invitations`]) {
      const text = await (await stranger.raw('GET', path)).text()
      // The filter was really gone: what comes back is not an error but the tenant's own rows.
      expect([path, Object.values(own).some((id) => text.includes(id))]).toEqual([path, true])
      for (const id of Object.values(foreign)) expect([path, text.includes(id)]).toEqual([path, false])
    }
  })
})
