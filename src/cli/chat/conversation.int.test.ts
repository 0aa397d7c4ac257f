import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { TurnEvent } from '../../../supervisor/conversations.ts'
import { createClient, type ReefClient } from '../client.ts'
import { openConversation } from './conversation.ts'

const sessionId = '0199c0de-0000-7000-8000-000000000001'
const at = '2026-01-01T00:00:00.000Z'
const instance = {
  ...{ id: '0199c0de-0000-7000-8000-000000000002', name: 'OpenClaw', slug: 'ada', desiredState: 'running' },
  ...{
    reason: null,
    sleep: null,
    upgrade: null,
    steps: [],
    actions: [],
    driver: 'fake',
    plan: 'free',
    isolation: 'none',
    url: 'http://ada.localhost',
  },
  ...{
    openclawVersion: null,
    memoryBytes: null,
    cpuPercent: null,
    sessionId,
    runningSince: at,
    createdAt: at,
  },
}

/** What the stand-in for API, proxy and bridge does next. */
let mayLaunch: boolean
let statuses: string[]
let turn: (response: ServerResponse) => void

const server = createServer((request, response) => {
  const json = (status: number, body: unknown) =>
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  const status = statuses[0]
  const route = `${request.method} ${request.url?.replace(`/api/sessions/${sessionId}`, '')}`
  switch (route) {
    case 'GET /api/info':
      return json(200, {
        version: '1',
        proxyUrl: url,
        driver: { name: 'fake', isolation: 'none' },
        demo: true,
        model: 'm',
      })
    case 'POST /api/sessions':
      if (!mayLaunch) return json(404, { error: { code: 'not_found', message: 'There is nothing here.' } })
      return json(201, {
        session: { id: sessionId, instanceId: instance.id, openedAt: at, closedAt: null, closeReason: null },
        instance: { ...instance, status },
      })
    case 'GET /api/me':
      return json(200, me({ ...instance, status }))
    case `GET /api/instances/${instance.id}`:
      if (statuses.length > 1) statuses.shift()
      return json(200, { ...instance, status: statuses[0] })
    case 'GET /conversations':
      return json(200, {
        conversations: [
          { id: 'old', title: 'Old', updatedAt: '2026-01-01T00:00:00.000Z' },
          { id: 'latest', title: 'Latest', updatedAt: '2026-01-02T00:00:00.000Z' },
        ],
      })
    case 'POST /conversations':
      return json(201, { id: 'fresh', title: 'New', updatedAt: null })
    case 'POST /conversations/fresh/messages':
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      return turn(response)
    default:
      return json(500, { error: { code: 'internal', message: `unexpected ${route}` } })
  }
})

function me(own: unknown) {
  const organization = {
    id: sessionId,
    name: 'Ada',
    slug: 'ada',
    personal: true,
    role: 'owner',
    createdAt: at,
  }
  const user = { id: sessionId, email: 'ada@example.com', name: 'Ada' }
  return {
    user,
    organization,
    organizations: [organization],
    status: 'running',
    instance: own,
    operator: false,
    emailToConfirm: null,
  }
}

let url: string
let client: ReefClient

beforeAll(async () => {
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterAll(() => {
  server.closeAllConnections()
  server.close()
})
beforeEach(() => {
  mayLaunch = true
  statuses = ['running']
  const store = { path: '', find: async () => undefined, update: async () => undefined }
  client = createClient({ url, apiKey: 'oc_x', store })
})

const event = (value: TurnEvent) => `data: ${JSON.stringify(value)}\n\n`

async function read(events: AsyncIterable<TurnEvent>): Promise<TurnEvent[]> {
  const all: TurnEvent[] = []
  for await (const each of events) all.push(each)
  return all
}

test('an answer comes piece by piece and ends with its end', async () => {
  turn = (response) => {
    response.write(event({ type: 'started' }))
    response.write(event({ type: 'text', delta: 'Hel' }))
    // The connection stays open: it is the event that ends the turn.
    response.write(event({ type: 'text', delta: 'lo' }) + event({ type: 'done', stopped: false }))
  }
  const conversation = await openConversation(client, 'new')
  expect(await read(conversation.send('hi'))).toEqual([
    { type: 'started' },
    { type: 'text', delta: 'Hel' },
    { type: 'text', delta: 'lo' },
    { type: 'done', stopped: false },
  ])
})

test('an answer that is cut off is not taken for a whole one', async () => {
  turn = (response) => {
    response.write(event({ type: 'text', delta: 'Hel' }))
    setTimeout(() => response.destroy(), 50)
  }
  const conversation = await openConversation(client, 'new')
  await expect(read(conversation.send('hi'))).rejects.toThrow(/cut off/)
  turn = (response) => response.end(event({ type: 'text', delta: 'Hel' }))
  await expect(read(conversation.send('hi'))).rejects.toThrow(/cut off/)
})

test('a failed turn tells its reason', async () => {
  turn = (response) =>
    response.end(event({ type: 'error', code: 'provider', message: 'The provider refused.' }))
  const conversation = await openConversation(client, 'new')
  await expect(read(conversation.send('hi'))).rejects.toMatchObject({
    code: 'provider',
    message: 'The provider refused.',
  })
})

test('a launch is waited for, and one that fails says why', async () => {
  statuses = ['provisioning', 'provisioning', 'running']
  expect((await openConversation(client, 'new')).conversation.id).toBe('fresh')
  statuses = ['provisioning', 'failed']
  await expect(openConversation(client, 'new')).rejects.toThrow(/ada failed/)
})

test('a key that may launch nothing talks to the instance that runs', async () => {
  mayLaunch = false
  expect((await openConversation(client, 'new')).conversation.id).toBe('fresh')
})

test('the latest conversation and a named one are found, an unknown one is told', async () => {
  expect((await openConversation(client, 'latest')).conversation.id).toBe('latest')
  expect((await openConversation(client, { id: 'old' })).conversation.id).toBe('old')
  await expect(openConversation(client, { id: 'none' })).rejects.toMatchObject({ reason: 'notFound' })
})
