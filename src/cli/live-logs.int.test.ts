import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type WebSocket, WebSocketServer } from 'ws'
import { createClient, type ReefClient } from './client.ts'
import { followLogs, type LogLine } from './live-logs.ts'

const instanceId = '0199c0de-0000-7000-8000-000000000001'
const http = createServer()
const server = new WebSocketServer({ server: http, path: '/realtime' })
let client: ReefClient
let connections = 0
/** What a subscriber gets on each connection. */
let serve: (socket: WebSocket, connection: number) => void

beforeAll(async () => {
  await new Promise<void>((done) => http.listen(0, '127.0.0.1', done))
  const store = { path: '', find: async () => undefined, update: async () => undefined }
  const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`
  client = createClient({ url, apiKey: 'oc_x', store })
  server.on('connection', (socket) => {
    socket.on('message', (data) => {
      const message = JSON.parse(String(data))
      if (message.type === 'authenticate') socket.send(JSON.stringify({ type: 'authenticated' }))
      else if (message.type === 'subscribe') serve(socket, ++connections)
    })
  })
})
afterAll(() => {
  server.close()
  http.close()
})

const line = (second: number, text: string): LogLine => ({
  at: `2026-01-01T00:00:0${second}.000Z`,
  source: 'openclaw',
  text,
})

test('a connection that drops is made again, without a line lost or repeated', async () => {
  const sendLines = (socket: WebSocket, lines: LogLine[]) =>
    socket.send(JSON.stringify({ type: 'logs', instanceId, lines }))
  serve = (socket, connection) => {
    if (connection === 1) {
      sendLines(socket, [line(1, 'a'), line(2, 'b')])
      sendLines(socket, [line(3, 'c')])
      setTimeout(() => socket.terminate(), 20)
    } else sendLines(socket, [line(1, 'a'), line(2, 'b'), line(3, 'c'), line(4, 'd')])
  }
  const texts: string[] = []
  for await (const each of followLogs(client, instanceId)) if (texts.push(each.text) === 4) break
  expect(texts).toEqual(['a', 'b', 'c', 'd'])
  expect(connections).toBe(2)
})

test('a refusal ends it with its reason, since trying again would not help', async () => {
  serve = (socket) =>
    socket.send(
      JSON.stringify({ type: 'error', error: { code: 'not_found', message: 'There is nothing here.' } }),
    )
  await expect(followLogs(client, instanceId).next()).rejects.toMatchObject({
    reason: 'notFound',
    message: 'There is nothing here.',
  })
})
