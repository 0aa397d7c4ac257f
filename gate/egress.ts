import { createServer, type IncomingMessage, request as requestHttp, type Server } from 'node:http'
import type { Socket } from 'node:net'
import { admitInstances } from './admission.ts'
import { readServerName } from './client-hello.ts'
import { answerText, type ExchangeOptions, exchange, exchangeUpgrade } from './exchange.ts'
import { passedHeaders, valuesOf } from './headers.ts'
import { answerOnSocket } from './http-answer.ts'
import { readHead } from './preamble.ts'
import type { PolicySlot } from './protocol.ts'
import { splice } from './splice.ts'
import { readAbsolute, readAuthority, sameTarget, type Target } from './target.ts'
import { openWayOut, refuse, type WayOutDeps } from './way-out.ts'

type NamedTarget = Exclude<Target, { kind: 'malformed' }>

const notForwarded = new Set(['host', 'content-length'])
const plainPort = 80
const tlsByte = 0x16

/** The only way out of an instance: an HTTP proxy with CONNECT and absolute-form requests, by allow-list. */
export function createEgressProxy(deps: WayOutDeps): Server {
  const { limits } = deps
  const server = createServer({
    maxHeaderSize: limits.headerBytesMax,
    headersTimeout: limits.requestSeconds * 1000,
    requestTimeout: 0,
    connectionsCheckingInterval: 1_000,
    keepAliveTimeout: 60_000,
    // Over HTTP/2 in the clear one connection could ask for any server that shares the address.
    shouldUpgradeCallback: (request) => request.headers.upgrade?.toLowerCase() === 'websocket',
  })
  server.timeout = limits.idleSeconds * 1000
  const slotOf = admitInstances(server, { ...deps, connectionsPerSlotMax: limits.connectionsPerSlotMax })
  /** Plain HTTP inside a CONNECT: whom it was for. */
  const tunnels = new WeakMap<Socket, Target>()

  server.on('connect', (request, client: Socket, early) => {
    const slot = slotOf(client)
    if (!slot) return client.destroy()
    if (tunnels.has(client)) return answerOnSocket(client, 403, 'Reef: no proxy inside a proxied connection.')
    const target = readAuthority(request.url ?? '')
    serveConnect(deps, slot, target, client, early, () => {
      tunnels.set(client, target)
      server.emit('connection', client)
    }).catch(() => client.destroy())
  })
  server.on('request', (request, response) => {
    const slot = slotOf(request.socket)
    if (!slot) return request.socket.destroy()
    openPlain(deps, slot, request, tunnels.get(request.socket)).then(
      (way) => {
        if ('status' in way) answerText(response, way.status, way.message)
        else if (response.destroyed) way.upstream.destroy()
        else exchange(request, response, way)
      },
      () => response.destroy(),
    )
  })
  server.on('upgrade', (request, client: Socket, early) => {
    const slot = slotOf(client)
    if (!slot) return client.destroy()
    openPlain(deps, slot, request, tunnels.get(client)).then(
      (way) => {
        if ('status' in way) answerOnSocket(client, way.status, way.message)
        else if (client.destroyed) way.upstream.destroy()
        else
          exchangeUpgrade(client, request, early, {
            ...way,
            handshakeSeconds: limits.requestSeconds,
            idleSeconds: limits.idleSeconds,
          })
      },
      () => client.destroy(),
    )
  })
  server.on('clientError', (_, socket) =>
    answerOnSocket(socket, 400, 'Reef: this is no request that the proxy understands.'),
  )
  return server
}

async function serveConnect(
  deps: WayOutDeps,
  slot: PolicySlot,
  target: Target,
  client: Socket,
  early: Buffer,
  serveAsHttp: () => void,
): Promise<void> {
  const way = await openWayOut(deps, slot, target)
  if (way.kind === 'refused' || target.kind === 'malformed') {
    answerOnSocket(
      client,
      way.kind === 'refused' ? way.status : 403,
      way.kind === 'refused' ? way.message : '',
    )
    return
  }
  const { upstream } = way
  const leave = (): void => {
    client.destroy()
  }
  upstream.once('close', leave)
  if (client.destroyed) {
    upstream.destroy()
    return
  }
  client.once('close', () => upstream.destroy())
  client.write('HTTP/1.1 200 Connection established\r\n\r\n')
  if (early.length > 0) client.unshift(early)
  const inside = await readInside(client, target, deps.limits.serverNameSeconds)
  if (inside === 'server') {
    splice(client, upstream, { idleSeconds: deps.limits.idleSeconds })
  } else if (inside === 'plain HTTP') {
    upstream.off('close', leave)
    upstream.destroy()
    serveAsHttp()
  } else {
    if (inside === 'another') refuse(deps, slot.slotId, target, 'server_name')
    client.destroy()
  }
}

type Inside = 'server' | 'plain HTTP' | 'another'

/** What is spoken inside a CONNECT: TLS to the server that was asked for, or plain HTTP, which is judged by request. */
function readInside(client: Socket, target: NamedTarget, seconds: number): Promise<Inside | undefined> {
  return readHead<Inside>(
    client,
    (bytes) => {
      if (bytes[0] !== tlsByte) {
        const isHttp = /^[A-Z]/.test(bytes.toString('latin1', 0, 1))
        return { used: 0, value: isHttp ? 'plain HTTP' : 'another' }
      }
      const name = readServerName(bytes)
      if (name.kind === 'more') return 'more'
      return { used: 0, value: name.kind === 'name' && name.name === target.host ? 'server' : 'another' }
    },
    seconds * 1000,
  )
}

type PlainWay = (ExchangeOptions & { upstream: Socket }) | { status: number; message: string }

/** The way of one plain request: its line and its Host header must name the same server. */
async function openPlain(
  deps: WayOutDeps,
  slot: PolicySlot,
  request: IncomingMessage,
  tunnel: Target | undefined,
): Promise<PlainWay> {
  const url = request.url ?? ''
  const asked = tunnel && url.startsWith('/') ? { target: tunnel, path: url } : readAbsolute(url)
  if (!asked)
    return {
      status: 400,
      message:
        'Reef: this is an HTTP proxy. Ask for http://HOST/PATH, or CONNECT to HOST:443 for anything encrypted.',
    }
  const hosts = valuesOf(request.rawHeaders, 'host')
  const named = hosts.length === 1 ? readAuthority(hosts[0] as string, plainPort) : undefined
  const { target } = asked
  if (
    target.kind !== 'malformed' &&
    (!named || !sameTarget(named, target) || (tunnel && !sameTarget(tunnel, target)))
  ) {
    const refused = refuse(deps, slot.slotId, target, 'server_name')
    return refused.kind === 'refused' ? refused : { status: 403, message: '' }
  }
  const way = await openWayOut(deps, slot, target)
  if (way.kind === 'refused') return way
  const { host, port } = target as NamedTarget
  return {
    upstream: way.upstream,
    open: (options) => requestHttp({ ...options, createConnection: () => way.upstream }),
    path: asked.path,
    headers: [
      ...passedHeaders(request.rawHeaders, notForwarded),
      ...['host', port === plainPort ? host : `${host}:${port}`],
    ],
    unreachable: `Reef: ${host} broke off before it answered.`,
  }
}
