import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { pino } from 'pino'
import { type WebSocket, WebSocketServer } from 'ws'
import { systemClock } from '../../src/clock.ts'
import type { Authenticator, Principal } from '../../src/domain/accounts/principal.ts'
import type { InstanceTarget, InstanceTargets } from '../../src/domain/instances/target.ts'
import { unauthenticated } from '../../src/errors.ts'
import { newId } from '../../src/ids.ts'
import { createProxy, type ProxyDeps, type ProxyListener } from '../../src/proxy/proxy.ts'
import { createVisitCookie, type NewVisit } from '../../src/proxy/visit-cookie.ts'
import { testSecret } from './secret.ts'

export interface SeenRequest {
  method: string
  url: string
  /** As they came: name, value, ... */
  rawHeaders: string[]
  headers: IncomingMessage['headers']
  body: string
}

/** Plays the supervisor: records what reaches it, echoes WebSockets, and answers as the test says. */
export interface TestUpstream {
  readonly url: string
  readonly server: Server
  readonly seen: SeenRequest[]
  readonly sockets: Set<WebSocket>
  onRequest: (request: IncomingMessage, response: ServerResponse, body: string) => void
  close(): Promise<void>
}

export async function startUpstream(port = 0): Promise<TestUpstream> {
  const seen: SeenRequest[] = []
  const sockets = new Set<WebSocket>()
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString()
      record(request, body)
      upstream.onRequest(request, response, body)
    })
  })
  const record = (request: IncomingMessage, body: string): void => {
    seen.push({
      method: request.method as string,
      url: request.url as string,
      rawHeaders: request.rawHeaders,
      headers: request.headers,
      body,
    })
  }
  const webSockets = new WebSocketServer({ noServer: true, perMessageDeflate: false })
  server.on('upgrade', (request, socket, head) => {
    record(request, '')
    webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      sockets.add(webSocket)
      webSocket.on('error', () => webSocket.terminate())
      webSocket.on('close', () => sockets.delete(webSocket))
      webSocket.on('message', (data, isBinary) => webSocket.send(data, { binary: isBinary }))
    })
  })
  await new Promise<void>((done) => server.listen(port, '127.0.0.1', done))
  const upstream: TestUpstream = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    server,
    seen,
    sockets,
    onRequest: (_, response) => response.end('hello'),
    close: async () => {
      for (const socket of sockets) socket.terminate()
      server.closeAllConnections()
      await new Promise<void>((done) => server.close(() => done()))
    },
  }
  return upstream
}

export interface TestProxy {
  readonly proxy: ProxyListener
  readonly port: number
  readonly url: string
  /** Its instance, to be changed by the test; `undefined` for "not there". */
  target: InstanceTarget
  /** Sends this as Authorization. */
  readonly authorization: string
  readonly sessionId: string
  readonly slugHost: string
  readonly origin: string
  /** Whoever may visit, as user ids. */
  readonly visitors: Set<string>
  /** Log-ins that were ended, as family ids. */
  readonly endedLogIns: Set<string>
  readonly visit: NewVisit
  /** A Cookie header that proves the visit. */
  readonly cookie: string
  /** The same for a visit that differs in this and began at `now`. */
  cookieOf(change: Partial<NewVisit>, now?: Date): string
  readonly outcomes: { route: string; status: number; seconds: number }[]
  close(): Promise<void>
}

/** The log-in that the test's own visit came from. */
export const testFamilyId = newId()

export const testPrincipal: Principal = {
  kind: 'person',
  userId: newId(),
  organizationId: newId(),
  role: 'owner',
  scopes: ['chat', 'instances:read', 'instances:write'],
  familyId: testFamilyId,
  apiKeyId: null,
}

/** A proxy over in-memory ports with one running instance at `address`. */
export async function startProxy(address: string, overrides: Partial<ProxyDeps> = {}): Promise<TestProxy> {
  const target: InstanceTarget = {
    instanceId: newId(),
    organizationId: testPrincipal.organizationId,
    ownerUserId: testPrincipal.userId,
    slug: 'ada',
    status: 'running',
    wanted: true,
    asleep: false,
    hold: null,
    reason: null,
    slotId: newId(),
    address,
    ready: true,
  }
  const sessionId = newId()
  const visitors = new Set([testPrincipal.userId])
  const endedLogIns = new Set<string>()
  const outcomes: TestProxy['outcomes'] = []
  const isOwn = (principal: Principal): boolean => principal.userId === testPrincipal.userId
  const targets: InstanceTargets = {
    findByCaller: async (principal) => (isOwn(principal) ? { ...test.target } : undefined),
    findBySession: async (principal, id) =>
      isOwn(principal) && id === sessionId ? { ...test.target } : undefined,
    findBySlug: async (slug) => (slug === test.target.slug ? { ...test.target } : undefined),
    mayVisit: async (userId, instanceId) => visitors.has(userId) && instanceId === test.target.instanceId,
  }
  const proxy = createProxy({
    authenticator: testAuthenticator,
    logIns: { isOpen: async (_, familyId) => !endedLogIns.has(familyId) },
    targets,
    attendance: { wake: async () => undefined, seen: () => undefined },
    visits: { redeem: async () => undefined },
    secret: testSecret,
    clock: systemClock,
    log: pino({ level: 'silent' }),
    domain: 'localhost',
    publicUrl: 'http://127.0.0.1:7301',
    dashboardUrl: 'http://127.0.0.1:7300',
    dashboardOrigins: ['http://127.0.0.1:7300'],
    onRequest: (outcome) => outcomes.push(outcome),
    ...overrides,
  })
  const port = await proxy.listen('127.0.0.1', 0)
  const visit: NewVisit = {
    userId: testPrincipal.userId,
    familyId: testFamilyId,
    instanceId: target.instanceId,
    slug: target.slug,
    email: 'ada@example.com',
  }
  const cookies = createVisitCookie({ secret: testSecret, secure: false })
  const cookieOf: TestProxy['cookieOf'] = (change, now = new Date()) =>
    cookies.issue({ ...visit, ...change }, now).split(';', 1)[0] as string
  const slugHost = `ada.localhost:${port}`
  const test: TestProxy = {
    proxy,
    port,
    url: `http://127.0.0.1:${port}`,
    target,
    authorization: 'Bearer good',
    sessionId,
    slugHost,
    origin: `http://${slugHost}`,
    visitors,
    endedLogIns,
    visit,
    cookie: cookieOf({}),
    cookieOf,
    outcomes,
    close: () => proxy.close(0),
  }
  return test
}

/** `Bearer good` is the owner, `Bearer other` somebody else, `Bearer mute` a key without the scope to chat. */
const testAuthenticator: Authenticator = {
  authenticate: async ({ authorization }) => {
    switch (authorization) {
      case 'Bearer good':
        return testPrincipal
      case 'Bearer other':
        return { ...testPrincipal, userId: newId(), organizationId: newId() }
      case 'Bearer mute':
        return { ...testPrincipal, kind: 'apiKey', scopes: ['instances:read'] }
      default:
        throw unauthenticated('invalid_credential', 'Log in again.')
    }
  },
}

export interface RawExchange {
  /** Everything that came back until the connection closed or `quietMilliseconds` passed without a byte. */
  text: string
  closed: boolean
}

const firstByteMilliseconds = 5_000

/** Writes bytes as they are, so that a test can send what no HTTP client would. */
export function sendRaw(
  port: number,
  chunks: (string | Buffer)[],
  quietMilliseconds = 150,
): Promise<RawExchange> {
  return new Promise((done) => {
    const socket = connect(port, '127.0.0.1')
    let text = ''
    let timer = setTimeout(() => finish(false), firstByteMilliseconds)
    const finish = (closed: boolean): void => {
      clearTimeout(timer)
      socket.destroy()
      done({ text, closed })
    }
    socket.on('data', (data) => {
      text += data.toString('latin1')
      clearTimeout(timer)
      timer = setTimeout(() => finish(false), quietMilliseconds)
    })
    socket.on('error', () => finish(true))
    socket.on('close', () => finish(true))
    socket.on('connect', () => {
      for (const chunk of chunks) socket.write(chunk)
    })
  })
}

/** Opens a socket, sends a request and gives it back, so that the test decides when the client goes away. */
export async function openRaw(port: number, request: string): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  await new Promise<void>((done) => socket.once('connect', () => done()))
  socket.write(request)
  return socket
}

/** Looks again and again until it is so, and fails after the deadline. */
export async function until(isSo: () => boolean, what: string, deadlineMilliseconds = 5_000): Promise<void> {
  const end = performance.now() + deadlineMilliseconds
  while (!isSo()) {
    if (performance.now() > end) throw new Error(`not within ${deadlineMilliseconds} ms: ${what}`)
    await new Promise((done) => setTimeout(done, 5))
  }
}
