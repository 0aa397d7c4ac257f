import type { RequestListener } from 'node:http'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { eventually } from '../test/support/eventually.ts'
import { isRelayed } from './relay.ts'
import { allowing, connectAs, startTestGate, type TestGate, testSlot } from './test-support/gate.ts'

let gate: TestGate
let seen: { url: string; rawHeaders: string[] }[]
let closed: string[]
const slot = testSlot(1, allowing())

const control: RequestListener = (request, answer) => {
  seen.push({ url: request.url ?? '', rawHeaders: request.rawHeaders })
  answer.once('close', () => closed.push(request.url ?? ''))
  if (request.url?.startsWith('/models/stream')) {
    answer.writeHead(200, { 'content-type': 'text/event-stream' })
    answer.write('data: first\n\n')
    return
  }
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => answer.writeHead(201, { 'x-kept': '1' }).end(Buffer.concat(chunks)))
}

beforeEach(async () => {
  seen = []
  closed = []
  gate = await startTestGate({ slots: [slot] }, { onRequest: control })
})
afterEach(() => gate.close())

const send = async (text: string): Promise<string> => {
  const socket = await connectAs(slot, gate.ports.relay)
  socket.write(text, 'latin1')
  let answer = ''
  for await (const chunk of socket) answer += String(chunk)
  return answer
}
const get = (path: string, headers = ''): Promise<string> =>
  send(`GET ${path} HTTP/1.1\r\nHost: gate\r\n${headers}Connection: close\r\n\r\n`)

describe('the relay', () => {
  it('carries requests to the control plane, without what a client says of where it comes from', async () => {
    const answer = await get(
      '/models/v1/models?x=1',
      'Authorization: Bearer key\r\nX-Forwarded-For: 1.2.3.4\r\nForwarded: for=1.2.3.4\r\nX-Real-IP: 1.2.3.4\r\n',
    )
    expect(answer).toMatch(/^HTTP\/1\.1 201/)
    expect(answer).toContain('x-kept: 1')
    expect(seen[0]?.url).toBe('/models/v1/models?x=1')
    const headers = JSON.stringify(seen[0]?.rawHeaders)
    expect(headers).toContain('Bearer key')
    expect(headers).not.toContain('1.2.3.4')
  })

  it('streams both ways, and ends what a client that goes away has asked for', async () => {
    const body = 'x'.repeat(2_000_000)
    const answer = await send(
      `POST /models/v1/x HTTP/1.1\r\nHost: gate\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`,
    )
    expect(answer.match(/x/g)?.length).toBeGreaterThanOrEqual(body.length)
    const socket = await connectAs(slot, gate.ports.relay)
    socket.write('GET /models/stream HTTP/1.1\r\nHost: gate\r\n\r\n')
    await eventually(async () =>
      expect(String(await new Promise((done) => socket.once('data', done)))).toContain('first'),
    )
    socket.destroy()
    await eventually(() => expect(closed).toContain('/models/stream'))
  })

  it('carries the link', async () => {
    const sockets = new WebSocketServer({ noServer: true })
    gate.control.on('upgrade', (request, socket, head) => {
      if (request.url === '/link')
        sockets.handleUpgrade(request, socket, head, (server) => server.send('hello'))
    })
    const client = new WebSocket(`ws://${slot.gateAddress}:${gate.ports.relay}/link`, {
      localAddress: slot.instanceAddress,
    })
    expect(String(await new Promise((done) => client.once('message', done)))).toBe('hello')
    client.terminate()
  })

  it('leads to no other path, for requests and WebSockets alike', async () => {
    for (const path of [
      '/',
      '/api/me',
      '/gate',
      '/realtime',
      '/link/x',
      '/models',
      '/linked',
      '/models/../api/me',
    ])
      for (const upgrade of ['', 'Upgrade: websocket\r\nConnection: Upgrade\r\n']) {
        const answer = await send(
          `GET ${path} HTTP/1.1\r\nHost: gate\r\n${upgrade || 'Connection: close\r\n'}\r\n`,
        )
        expect([path, answer.slice(0, 12)]).toEqual([path, 'HTTP/1.1 404'])
      }
    expect(seen).toEqual([])
  })

  it('says that the control plane is away when it is', async () => {
    gate.control.closeAllConnections()
    gate.control.close()
    expect(await get('/models/v1/models')).toContain('The control plane does not answer at the moment')
  })
})

it('no spelling of a way up or of another slash is a relayed path', () => {
  for (const path of [
    '/models/..',
    '/models/./x',
    '/models//x',
    '/models/%2e%2e/api',
    '/models/%2E./api',
    '/models%2f..%2fapi',
    '/models/..%5capi',
    '/models\\..\\api',
    '/models/\u00e4',
    '/models/x#y',
    'http://control/models/x',
    '//control/models/x',
  ])
    expect([path, isRelayed(path)]).toEqual([path, false])
  expect(['/link', '/link?x', '/models/v1/x', '/slot/backup'].every(isRelayed)).toBe(true)
})
