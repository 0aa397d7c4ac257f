import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { type WebSocket as ServerSocket, WebSocketServer } from 'ws'
import { createRealtime } from './realtime.ts'
import type { Instance } from './types.ts'

const instance = (status: string) => ({ id: 'i1', status }) as Instance
const line = (text: string) => ({ at: '2026-01-01T00:00:00.000Z', source: 'openclaw' as const, text })

let server: WebSocketServer
let sockets: ServerSocket[]
let received: Record<string, unknown>[]
let reconnected: number
let creditsChanged: number
let realtime: ReturnType<typeof createRealtime>

beforeEach(async () => {
  sockets = []
  received = []
  reconnected = 0
  creditsChanged = 0
  server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  await new Promise((done) => server.once('listening', done))
  server.on('connection', (socket) => {
    sockets.push(socket)
    socket.on('message', (data) => {
      const message = JSON.parse(String(data)) as Record<string, unknown>
      received.push(message)
      if (message.type === 'authenticate') socket.send(JSON.stringify({ type: 'authenticated' }))
      if (message.topic === 'logs')
        socket.send(JSON.stringify({ type: 'logs', instanceId: 'i1', lines: [line('tail')] }))
    })
  })
  realtime = createRealtime({
    url: () => `ws://127.0.0.1:${(server.address() as AddressInfo).port}/realtime`,
    accessToken: async () => `token-${sockets.length}`,
    organizationId: () => 'o1',
    onReconnected: () => {
      reconnected++
    },
    onCreditsChanged: () => {
      creditsChanged++
    },
  })
})

afterEach(() => {
  realtime.close()
  for (const socket of sockets) socket.terminate()
  server.close()
})

const subscriptions = () => received.filter(({ type }) => type === 'subscribe')

test('authenticates, subscribes and hands over what comes', async () => {
  const seen: string[] = []
  realtime.subscribe('instance', 'i1', { instance: ({ status }) => seen.push(status) })
  await vi.waitFor(() => expect(subscriptions()).toHaveLength(1))
  expect(received[0]).toEqual({ type: 'authenticate', accessToken: 'token-0', organizationId: 'o1' })
  sockets[0]?.send(JSON.stringify({ type: 'instance', instance: instance('running') }))
  await vi.waitFor(() => expect(seen).toEqual(['running']))
})

test('asks to hear of credits, and says when they came or went', async () => {
  realtime.subscribe('instance', 'i1', {})
  await vi.waitFor(() => expect(received).toContainEqual({ type: 'watch_credits' }))
  sockets[0]?.send(JSON.stringify({ type: 'credits_changed' }))
  await vi.waitFor(() => expect(creditsChanged).toBe(1))
})

test('after a lost connection it subscribes again with a new token and asks for what was missed', async () => {
  realtime.subscribe('instance', 'i1', {})
  await vi.waitFor(() => expect(subscriptions()).toHaveLength(1))
  sockets[0]?.terminate()
  await vi.waitFor(() => expect(subscriptions()).toHaveLength(2), 5_000)
  expect(received.filter(({ type }) => type === 'authenticate')[1]).toMatchObject({ accessToken: 'token-1' })
  expect(reconnected).toBe(1)
})

test('tells the tail of each connection from its continuation', async () => {
  const seen: [string, boolean][] = []
  realtime.subscribe('logs', 'i1', { logs: (lines, fresh) => seen.push([lines[0]?.text ?? '', fresh]) })
  await vi.waitFor(() => expect(seen).toEqual([['tail', true]]))
  sockets[0]?.send(JSON.stringify({ type: 'logs', instanceId: 'i1', lines: [line('more')] }))
  await vi.waitFor(() => expect(seen).toContainEqual(['more', false]))
  sockets[0]?.terminate()
  await vi.waitFor(() => expect(seen.at(-1)).toEqual(['tail', true]), 5_000)
})

test('two listeners share one subscription, and the last to leave ends it', async () => {
  const first = realtime.subscribe('instance', 'i1', {})
  const second = realtime.subscribe('instance', 'i1', {})
  await vi.waitFor(() => expect(subscriptions()).toHaveLength(1))
  first()
  sockets[0]?.send(JSON.stringify({ type: 'instance', instance: instance('running') }))
  second()
  await vi.waitFor(() => expect(received.filter(({ type }) => type === 'unsubscribe')).toHaveLength(1))
})
