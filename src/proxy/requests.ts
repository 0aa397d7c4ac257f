import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { routeHeader, type SupervisorRoute, userHeader } from '../../supervisor/protocol.ts'
import type { Clock } from '../clock.ts'
import { impossible } from '../errors.ts'
import type { Fronts } from '../fronts.ts'
import type { Logger } from '../telemetry/log.ts'
import type { Access, FindTarget } from './access.ts'
import type { Uploads } from './body.ts'
import { corsHeaders, isPreflight, preflightHeaders } from './cors.ts'
import {
  discardBody,
  type Exchange,
  goneSignal,
  isNavigation,
  openExchange,
  renderRefusal,
} from './exchange.ts'
import type { Forwarder, Forwarding } from './forward.ts'
import { checkFraming, type Framing, type RequestLine } from './framing.ts'
import { agentIdOf, clientAddress, forwardedHeaders } from './headers.ts'
import { checkSameOrigin } from './origin.ts'
import { type Asker, type ProxyAttendance, reach, wakeUntilAnswered } from './readiness.ts'
import { Refusal, toRefusal } from './refusal.ts'
import { header, headerList, readHead } from './request-head.ts'
import { findCustomSlug, type Names, type Route, routeRequest } from './routing.ts'
import type { Tabs } from './tabs.ts'
import type { Upstream, UpstreamOf } from './upstream.ts'
import type { VisitCookie } from './visit-cookie.ts'
import type { Visitors } from './visitors.ts'
import type { Visits } from './visits.ts'

export interface RequestHandlerDeps {
  access: Access
  cookie: VisitCookie
  visits: Pick<Visits, 'redeem'>
  visitors: Visitors
  uploads: Uploads
  forwarder: Forwarder
  upstreamOf: UpstreamOf
  attendance: ProxyAttendance
  tabs: Tabs
  names: Names
  fronts: Fronts
  scheme: string
  clock: Clock
  log: Logger
  limits: { holdSeconds: number }
  dashboardUrl: string
  dashboardOrigins: ReadonlySet<string>
  local: Upstream | undefined
  onRequest: ((outcome: { route: string; status: number; seconds: number }) => void) | undefined
}

/** What is said when the client left before there was anything to answer; never sent. */
const clientGoneStatus = 499
const pageHoldSeconds = 3

export function createRequestHandler(
  deps: RequestHandlerDeps,
): (request: IncomingMessage, response: ServerResponse) => void {
  return (request, response) => {
    const exchange = openExchange(request, response, readHead(request.rawHeaders), randomUUID())
    // Node drops what follows an upgrade that was not taken up (measured with 24.21), so a request behind it on the same
    // connection would be lost and the answer to the one after taken for its own.
    if (exchange.head.names.includes('upgrade')) response.shouldKeepAlive = false
    response.once('close', () => {
      if (!response.writableFinished) {
        exchange.gone = true
        exchange.abortUpstream?.(new Error('the client went away'))
      }
      deps.onRequest?.({
        route: exchange.kind,
        status: response.headersSent ? response.statusCode : clientGoneStatus,
        seconds: (performance.now() - exchange.startedAt) / 1000,
      })
    })
    serve(deps, exchange).catch((error) => refuse(deps, exchange, error))
  }
}

async function serve(deps: RequestHandlerDeps, exchange: Exchange): Promise<void> {
  const framing = checkFraming(exchange.request as RequestLine, exchange.head)
  const { url, method } = exchange.request as RequestLine
  const host = header(exchange.head, 'host')
  const custom = findCustomSlug(host, deps.names)
  const route = routeRequest(url, host, deps.names, method, custom && (await custom))
  exchange.kind = route.kind
  switch (route.kind) {
    case 'health':
      return answer(exchange, 200, ['content-type', 'application/json'], '{"status":"ok"}')
    case 'gateway':
    case 'bridge':
      return serveCaller(deps, exchange, framing, route)
    case 'enter':
      return enter(deps, exchange, route)
    case 'ui':
      return serveVisitor(deps, exchange, framing, route)
    case 'webhook':
      return serveWebhook(deps, exchange, framing, route)
    default:
      return impossible(route)
  }
}

async function serveCaller(
  deps: RequestHandlerDeps,
  exchange: Exchange,
  framing: Framing,
  route: Extract<Route, { kind: 'gateway' | 'bridge' }>,
): Promise<void> {
  exchange.answerHeaders.push(...corsHeaders(exchange.head, deps.dashboardOrigins))
  if (isPreflight(exchange.request.method, exchange.head)) return preflight(exchange)
  const isGateway = route.kind === 'gateway'
  const own = isGateway ? ['x-openclaw-agent-id', agentIdOf(exchange.head)] : []
  if (isGateway && deps.local) {
    const local = deps.local
    await deps.access.caller(exchange.head)
    return forward(deps, exchange, framing, { path: route.path, own, cookie: undefined }, () => local)
  }
  const find = deps.access.forCaller(exchange.head, isGateway ? undefined : route.sessionId)
  return forward(
    deps,
    exchange,
    framing,
    { path: route.path, own: [...own, routeHeader, route.kind satisfies SupervisorRoute], cookie: undefined },
    reachBy(deps, exchange, find, 'person'),
  )
}

async function serveVisitor(
  deps: RequestHandlerDeps,
  exchange: Exchange,
  framing: Framing,
  route: Extract<Route, { kind: 'ui' }>,
): Promise<void> {
  checkSameOrigin(exchange.request.method, exchange.head, `${deps.scheme}://${route.host}`)
  const visit = await deps.access.visit(exchange.head, route.slug)
  const isMeant = deps.tabs.isMeant(visit, exchange.head, 'request')
  const leave = deps.visitors.add(visit, () => exchange.response.destroy())
  exchange.response.once('close', leave)
  return forward(
    deps,
    exchange,
    framing,
    {
      path: route.path,
      host: route.host,
      own: [routeHeader, 'ui' satisfies SupervisorRoute, userHeader, visit.email],
      cookie: deps.cookie.strip(headerList(exchange.head, 'cookie', '; ')),
    },
    reachBy(deps, exchange, deps.access.forVisit(visit), isMeant ? 'person' : 'tab'),
  )
}

/** No visitor and no caller of ours: OpenClaw checks the service's own signature or token, which go on as they came. */
async function serveWebhook(
  deps: RequestHandlerDeps,
  exchange: Exchange,
  framing: Framing,
  route: Extract<Route, { kind: 'webhook' }>,
): Promise<void> {
  let instanceId: string | undefined
  const findTarget = deps.access.forWebhook(route.slug)
  const find: FindTarget = async (fresh) => {
    const target = await findTarget(fresh)
    instanceId = target.instanceId
    return target
  }
  const own = [routeHeader, 'webhook' satisfies SupervisorRoute]
  for (const name of ['authorization', 'x-openclaw-token']) {
    const value = header(exchange.head, name)
    if (value !== undefined) own.push(name, value)
  }
  exchange.response.once('close', () => {
    const { statusCode, headersSent } = exchange.response
    // It was believed, so that somebody means this instance.
    if (instanceId && headersSent && statusCode < 300) deps.attendance.seen(instanceId)
  })
  const what = { path: route.path, host: route.host, own, cookie: undefined }
  wakeUntilAnswered(find, deps.attendance, () => exchange.gone || exchange.response.headersSent)
  return forward(deps, exchange, framing, what, reachBy(deps, exchange, find, 'service'))
}

function reachBy(
  deps: RequestHandlerDeps,
  exchange: Exchange,
  find: FindTarget,
  asker: Asker,
): (fresh: boolean) => Upstream | Promise<Upstream> {
  const { upstreamOf, attendance, limits } = deps
  const options = {
    upstreamOf,
    attendance,
    asker,
    holdSeconds: holdSecondsOf(exchange, limits.holdSeconds),
    signal: goneSignal(exchange),
  }
  return (fresh) => reach(find, fresh, options)
}

/** Whoever looks at a blank page is told soon; a program would only have to ask again. */
function holdSecondsOf(exchange: Exchange, holdSeconds: number): number {
  return isNavigation(exchange) ? Math.min(pageHoldSeconds, holdSeconds) : holdSeconds
}

async function forward(
  deps: RequestHandlerDeps,
  exchange: Exchange,
  framing: Framing,
  what: { path: string; host?: string; own: readonly string[]; cookie: string | undefined },
  reachUpstream: (fresh: boolean) => Upstream | Promise<Upstream>,
): Promise<void> {
  // Before the body: a stranger's is never read.
  const reached = reachUpstream(false)
  if (reached instanceof Promise) await reached
  const opened = deps.uploads.open(exchange, framing)
  const body = opened instanceof Promise ? await opened : opened
  const forwarding: Forwarding = {
    path: what.path,
    headers: (upstream) => requestHeaders(deps, exchange, upstream, what),
    body,
    rules: { ownOrigin: exchange.kind === 'ui', visitCookieName: deps.cookie.name },
    holdSeconds: holdSecondsOf(exchange, deps.limits.holdSeconds),
  }
  return deps.forwarder.forward(exchange, forwarding, reachUpstream)
}

function requestHeaders(
  deps: RequestHandlerDeps,
  exchange: Exchange,
  upstream: Upstream,
  what: { host?: string; own: readonly string[]; cookie: string | undefined },
): string[] {
  const added = ['host', what.host ?? upstream.authority, ...what.own, ...upstream.credential]
  // An OpenClaw without a supervisor takes any forwarding header as a sign of a proxy that it does not know.
  if (!upstream.bare)
    added.push(
      ...['x-request-id', exchange.requestId, 'x-forwarded-proto', deps.scheme],
      ...[
        'x-forwarded-for',
        clientAddress(deps.fronts, exchange.head, exchange.request.socket.remoteAddress),
      ],
      ...['x-forwarded-host', header(exchange.head, 'host') as string],
    )
  return forwardedHeaders(exchange.head, { added, cookie: what.cookie })
}

async function enter(
  deps: RequestHandlerDeps,
  exchange: Exchange,
  route: Extract<Route, { kind: 'enter' }>,
): Promise<void> {
  if (exchange.request.method !== 'GET')
    throw new Refusal(405, 'method_not_allowed', 'A ticket is redeemed by opening its URL.')
  const visit = await deps.visits.redeem(route.ticket, route.slug)
  const headers = ['location', '/', 'cache-control', 'no-store', 'referrer-policy', 'no-referrer']
  if (visit) {
    headers.push('set-cookie', deps.cookie.issue(visit, deps.clock.now()))
    return answer(exchange, 303, headers, '')
  }
  // Somebody who is in already, and only reloaded the page, need not be told about used tickets.
  const isIn = await deps.access.visit(exchange.head, route.slug).then(
    () => true,
    () => false,
  )
  if (isIn) return answer(exchange, 303, headers, '')
  throw new Refusal(
    403,
    'ticket_unusable',
    'The link that led here is good once, for one minute. Open this OpenClaw from the dashboard again.',
  )
}

function preflight(exchange: Exchange): void {
  const isAllowed = exchange.answerHeaders.includes('access-control-allow-origin')
  if (!isAllowed) throw new Refusal(403, 'origin_not_allowed', 'Pages of this origin may not call the proxy.')
  answer(exchange, 204, [...preflightHeaders], undefined)
}

function answer(exchange: Exchange, status: number, headers: string[], body: string | undefined): void {
  if (body !== undefined) headers.push('content-length', String(Buffer.byteLength(body)))
  exchange.response.writeHead(status, [...headers, ...exchange.answerHeaders])
  exchange.response.end(exchange.request.method === 'HEAD' ? undefined : body)
  discardBody(exchange.request)
}

function refuse(deps: RequestHandlerDeps, exchange: Exchange, error: unknown): void {
  const { request, response } = exchange
  if (exchange.gone || response.destroyed) return
  const refusal = toRefusal(error)
  if (refusal.code === 'internal')
    deps.log.error({ err: error, requestId: exchange.requestId }, 'proxy failed')
  if (response.headersSent) {
    response.destroy()
    return
  }
  // Nobody who disagrees about where a request ends may send another one on the same connection.
  if (refusal.code === 'bad_request') response.shouldKeepAlive = false
  const { status, headers, body } = renderRefusal(refusal, isNavigation(exchange), deps.dashboardUrl)
  response.writeHead(status, [...headers, ...exchange.answerHeaders])
  response.end(request.method === 'HEAD' ? undefined : body)
  discardBody(request)
}
