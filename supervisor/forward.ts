import {
  type ClientRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  request,
  type ServerResponse,
} from 'node:http'
import type { Duplex } from 'node:stream'
import { visitorName, visitorOrigin } from './openclaw-config.ts'
import { userHeader } from './protocol.ts'

/** Where OpenClaw listens, and as whom a request is passed on to it. */
export interface Target {
  port: number
  identity: { kind: 'operator'; password: string } | { kind: 'visitor' } | { kind: 'service' }
}

/** About one connection only (RFC 9110, section 7.6.1). */
const hopByHop = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])
/** By these OpenClaw would tell a browser or a proxy from its own backend. */
const browserHeaders = ['authorization', 'cookie', 'origin', 'referer']
/** OpenClaw refuses a visitor from the loopback; this is of a range that no client on the internet can have (RFC 6598). */
const localVisitorAddress = '100.64.0.1'

/** The headers that OpenClaw gets. Exported for its test: this is where identity is decided. */
export function targetHeaders(incoming: IncomingHttpHeaders, target: Target): OutgoingHttpHeaders {
  const headers: OutgoingHttpHeaders = {}
  for (const [name, value] of Object.entries(incoming)) {
    const foreign =
      name.startsWith('x-reef-') || name.startsWith('x-forwarded-') || name.startsWith('tailscale-')
    if (value === undefined || foreign || hopByHop.has(name)) continue
    if (name === 'forwarded' || name === 'x-real-ip' || name === 'expect') continue
    headers[name] = value
  }
  if (target.identity.kind === 'operator') {
    for (const name of browserHeaders) delete headers[name]
    headers.host = `127.0.0.1:${target.port}`
    headers.authorization = `Bearer ${target.identity.password}`
    return headers
  }
  if (target.identity.kind === 'visitor') headers[userHeader] = visitorName
  // A service brings its own credential, and nothing that a browser would.
  else for (const name of ['cookie', 'origin', 'referer']) delete headers[name]
  // Which origins may come here was decided by `server.ts`; OpenClaw knows this one.
  if (headers.origin !== undefined) headers.origin = visitorOrigin
  headers['x-forwarded-for'] = firstOf(incoming['x-forwarded-for']) ?? localVisitorAddress
  headers['x-forwarded-proto'] = firstOf(incoming['x-forwarded-proto']) ?? 'http'
  headers['x-forwarded-host'] = firstOf(incoming['x-forwarded-host']) ?? incoming.host
  return headers
}

function firstOf(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value
}

/** Streams a request to OpenClaw and its answer back; whichever side goes away takes the other with it. */
export function forwardRequest(
  incoming: IncomingMessage,
  response: ServerResponse,
  target: Target,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const upstream = ask(incoming, target, targetHeaders(incoming.headers, target))
    response.once('close', () => {
      upstream.destroy()
      resolve()
    })
    upstream.once('error', (error) => {
      if (response.headersSent || response.destroyed) response.destroy()
      else reject(error)
    })
    upstream.once('response', (answer) => {
      response.writeHead(answer.statusCode ?? 502, answerHeaders(answer.headers))
      // An event stream's reader wants to know at once that it is connected.
      response.flushHeaders()
      answer.once('error', () => response.destroy())
      answer.pipe(response)
    })
    incoming.pipe(upstream)
  })
}

/** Joins a WebSocket upgrade with OpenClaw, byte by byte; `watch` sees what the client sends. */
export function forwardUpgrade(
  incoming: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  target: Target,
  watch: (chunk: Buffer) => void = () => undefined,
): void {
  const headers = targetHeaders(incoming.headers, target)
  // Compressed, it could not be told what a person does from what an open tab does.
  delete headers['sec-websocket-extensions']
  const upstream = ask(incoming, target, { ...headers, connection: 'Upgrade', upgrade: 'websocket' })
  socket.once('close', () => upstream.destroy())
  socket.once('error', () => upstream.destroy())
  upstream.once('error', () => refuseUpgrade(socket, 502, 'Bad Gateway'))
  upstream.once('response', (answer) => {
    refuseUpgrade(socket, answer.statusCode ?? 502, answer.statusMessage ?? '')
    answer.resume()
  })
  upstream.once('upgrade', (answer, upstreamSocket, upstreamHead) => {
    const lines = [`HTTP/1.1 101 ${answer.statusMessage}`]
    for (let i = 0; i < answer.rawHeaders.length; i += 2)
      if (!isOurs(answer.rawHeaders[i] as string))
        lines.push(`${answer.rawHeaders[i]}: ${answer.rawHeaders[i + 1]}`)
    socket.write(`${lines.join('\r\n')}\r\n\r\n`, 'latin1')
    if (upstreamHead.length > 0) socket.write(upstreamHead)
    if (head.length > 0) {
      watch(head)
      upstreamSocket.write(head)
    }
    socket.on('data', watch)
    joinSockets(socket, upstreamSocket)
  })
  upstream.end()
}

function joinSockets(one: Duplex, other: Duplex): void {
  for (const [from, to] of [
    [one, other],
    [other, one],
  ] as const) {
    from.pipe(to)
    from.once('error', () => to.destroy())
    from.once('close', () => to.destroy())
    if ('setNoDelay' in from && typeof from.setNoDelay === 'function') from.setNoDelay(true)
  }
}

export function refuseUpgrade(socket: Duplex, status: number, reason: string, headers: string[] = []): void {
  const lines = [`HTTP/1.1 ${status} ${reason}`, ...headers, 'connection: close', 'content-length: 0']
  socket.end(`${lines.join('\r\n')}\r\n\r\n`)
}

/** Without connection reuse: a restarted OpenClaw must never meet a request on a connection of its predecessor. */
function ask(incoming: IncomingMessage, target: Target, headers: OutgoingHttpHeaders): ClientRequest {
  return request({
    host: '127.0.0.1',
    port: target.port,
    method: incoming.method,
    path: incoming.url,
    headers,
    agent: false,
  })
}

export function withoutHopByHop(headers: IncomingHttpHeaders): OutgoingHttpHeaders {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !hopByHop.has(name)))
}

/** OpenClaw's answer may say nothing in the supervisor's name. Exported for its test. */
export function answerHeaders(headers: IncomingHttpHeaders): OutgoingHttpHeaders {
  return Object.fromEntries(Object.entries(withoutHopByHop(headers)).filter(([name]) => !isOurs(name)))
}

function isOurs(name: string): boolean {
  return name.toLowerCase().startsWith('x-reef-')
}
