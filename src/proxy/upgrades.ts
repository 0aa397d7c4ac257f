import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { routeHeader, type SupervisorRoute, userHeader } from '../../supervisor/protocol.ts'
import { notFound } from '../errors.ts'
import type { Fronts } from '../fronts.ts'
import type { Logger } from '../telemetry/log.ts'
import type { Access } from './access.ts'
import type { Dialer } from './dial.ts'
import { refuseOnSocket } from './exchange.ts'
import { checkFraming, checkHandshake, type RequestLine } from './framing.ts'
import { clientAddress, forwardedHeaders } from './headers.ts'
import { checkWebSocketOrigin } from './origin.ts'
import { type ProxyAttendance, reach } from './readiness.ts'
import { toRefusal } from './refusal.ts'
import { header, headerList, type RequestHead, readHead } from './request-head.ts'
import { findCustomSlug, type Names, type Route, routeRequest } from './routing.ts'
import type { Tabs } from './tabs.ts'
import { upgrade } from './upgrade.ts'
import type { UpstreamOf } from './upstream.ts'
import type { Visit, VisitCookie } from './visit-cookie.ts'
import type { Visitors } from './visitors.ts'

export interface UpgradeHandlerDeps {
  access: Access
  cookie: VisitCookie
  visitors: Visitors
  upstreamOf: UpstreamOf
  attendance: ProxyAttendance
  tabs: Tabs
  names: Names
  fronts: Fronts
  scheme: string
  log: Logger
  limits: { holdSeconds: number }
  dialer: Dialer
  onRequest: ((outcome: { route: string; status: number; seconds: number }) => void) | undefined
}

const handshakeSeconds = 30

/** WebSockets exist at an instance's own address only. */
export function createUpgradeHandler(
  deps: UpgradeHandlerDeps,
): (request: IncomingMessage, client: Socket, early: Buffer) => void {
  return (request, client, early) => {
    const startedAt = performance.now()
    const requestId = randomUUID()
    const report = (status: number): void =>
      deps.onRequest?.({ route: 'ui', status, seconds: (performance.now() - startedAt) / 1000 })
    serve(deps, request, client, early, requestId).then(report, (error) => {
      const refusal = toRefusal(error)
      if (refusal.code === 'internal' && !client.destroyed)
        deps.log.error({ err: error, requestId }, 'proxy failed')
      report(refusal.status)
      refuseOnSocket(client, refusal, requestId)
    })
  }
}

async function serve(
  deps: UpgradeHandlerDeps,
  request: IncomingMessage,
  client: Socket,
  early: Buffer,
  requestId: string,
): Promise<number> {
  const head = readHead(request.rawHeaders)
  checkHandshake(request as RequestLine, head, checkFraming(request as RequestLine, head))
  const host = header(head, 'host')
  const custom = findCustomSlug(host, deps.names)
  const route = routeRequest(request.url as string, host, deps.names, 'GET', custom && (await custom))
  if (route.kind !== 'ui') throw notFound('no WebSocket there')
  checkWebSocketOrigin(head, `${deps.scheme}://${route.host}`)
  const visit = await deps.access.visit(head, route.slug)
  const isMeant = deps.tabs.isMeant(visit, head, 'upgrade')
  const leave = deps.visitors.add(visit, () => client.destroy())
  client.once('close', leave)
  const gone = new AbortController()
  client.once('close', () => gone.abort())
  const find = deps.access.forVisit(visit)
  const result = await upgrade(
    {
      client,
      early,
      path: route.path,
      headers: (upstream) => [
        ...handshakeHeaders(deps, head, client, requestId, route, visit),
        ...upstream.credential,
      ],
      rules: { ownOrigin: true, visitCookieName: deps.cookie.name },
      answerHeaders: ['x-request-id', requestId],
    },
    (fresh) =>
      reach(find, fresh, {
        upstreamOf: deps.upstreamOf,
        attendance: deps.attendance,
        asker: isMeant ? 'person' : 'tab',
        holdSeconds: deps.limits.holdSeconds,
        signal: () => gone.signal,
      }),
    { dialer: deps.dialer, handshakeSeconds, holdSeconds: deps.limits.holdSeconds },
  )
  return result.kind === 'open' ? 101 : result.status
}

function handshakeHeaders(
  deps: UpgradeHandlerDeps,
  head: RequestHead,
  client: Socket,
  requestId: string,
  route: Extract<Route, { kind: 'ui' }>,
  visit: Visit,
): string[] {
  const added = [
    ...['host', route.host, routeHeader, 'ui' satisfies SupervisorRoute, userHeader, visit.email],
    ...['x-request-id', requestId, 'x-forwarded-proto', deps.scheme],
    ...[
      'x-forwarded-for',
      clientAddress(deps.fronts, head, client.remoteAddress),
      'x-forwarded-host',
      route.host,
    ],
  ]
  return forwardedHeaders(head, { added, cookie: deps.cookie.strip(headerList(head, 'cookie', '; ')) })
}
