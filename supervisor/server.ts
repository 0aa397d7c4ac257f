import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Activity } from './activity.ts'
import { answerBridge, sendJson } from './bridge.ts'
import { forwardRequest, forwardUpgrade, refuseUpgrade, type Target } from './forward.ts'
import type { GatewayClient } from './gateway-client.ts'
import { listen } from './listen.ts'
import {
  type Desired,
  proxyTokenHeader,
  refusedHeader,
  routeHeader,
  type SupervisorRoute,
  userHeader,
} from './protocol.ts'
import { isToken } from './token.ts'

/** The supervisor's port, for the proxy alone. */
export interface PortServer {
  listen(host: string, port: number): Promise<number>
  /** Refuses new work from now on; what runs goes on. */
  drain(): void
  close(): Promise<void>
}

export interface PortServerDependencies {
  /** Null before the first welcome. */
  readDesired(): Desired | null
  /** Null unless OpenClaw is ready. */
  readOpenClaw(): { port: number; password: string } | null
  reachGateway(): Promise<GatewayClient>
  activity: Activity
  log(text: string): void
}

interface Refusal {
  /** With 503 it passes by itself, and nothing was begun. */
  status: number
  code: string
  message: string
}

type Admission = { refusal: Refusal } | { route: 'bridge' } | { route: 'forward'; target: Target }

/** Above what a proxy keeps idle connections for, so that it is never we who close one just as it is used. */
const keepAliveMs = 75_000

export function createPortServer(deps: PortServerDependencies): PortServer {
  let draining = false

  function admit(incoming: IncomingMessage): Admission {
    const desired = deps.readDesired()
    if (!desired || !isToken(incoming.headers[proxyTokenHeader], desired.proxyToken))
      return refuse(403, 'forbidden', 'Only the proxy of this Reef may call here.')
    const route = incoming.headers[routeHeader] as SupervisorRoute | undefined
    if (draining) return refuse(503, 'draining', 'The instance is being stopped. Start it again to go on.')
    const openclaw = deps.readOpenClaw()
    if (!openclaw)
      return refuse(503, 'openclaw_not_ready', 'OpenClaw is starting. Try again in a few seconds.')
    const { port, password } = openclaw
    switch (route) {
      case 'gateway':
        return { route: 'forward', target: { port, identity: { kind: 'operator', password } } }
      case 'bridge':
        return { route: 'bridge' }
      case 'webhook':
        return {
          route: 'forward',
          target: { port: webhookPort(incoming.url) ?? port, identity: { kind: 'service' } },
        }
      case 'ui':
        if (!mayVisit(incoming, desired.owner))
          return refuse(
            403,
            'forbidden',
            'This visitor may not open the Control UI of this instance from here.',
          )
        return { route: 'forward', target: { port, identity: { kind: 'visitor' } } }
      default:
        return refuse(400, 'route_unknown', `${routeHeader} must be gateway, ui, bridge or webhook.`)
    }
  }

  async function answer(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const admission = admit(incoming)
    if ('refusal' in admission) return sendRefusal(response, admission.refusal)
    // Pages of the Control UI fetch by themselves; whoever means something there says it over the WebSocket.
    const route = incoming.headers[routeHeader] as SupervisorRoute | undefined
    if (route === 'gateway' || route === 'bridge') deps.activity.noteRequest()
    if (admission.route === 'bridge') return answerBridge(incoming, response, deps.reachGateway)
    return forwardRequest(incoming, response, admission.target)
  }

  function upgrade(incoming: IncomingMessage, socket: Duplex, head: Buffer): void {
    const admission = admit(incoming)
    if ('refusal' in admission) sendUpgradeRefusal(socket, admission.refusal)
    else if (admission.route === 'bridge') refuseUpgrade(socket, 404, 'Not Found')
    else forwardUpgrade(incoming, socket, head, admission.target, deps.activity.watchVisitor())
  }

  const server = createServer({ requestTimeout: 0, keepAliveTimeout: keepAliveMs }, (incoming, response) => {
    answer(incoming, response).catch((error: unknown) => {
      deps.log(`A request failed: ${error instanceof Error ? error.message : String(error)}`)
      if (response.headersSent) response.destroy()
      else
        sendRefusal(response, {
          status: 502,
          code: 'openclaw_unreachable',
          message: 'OpenClaw broke off. Try again in a few seconds.',
        })
    })
  })
  server.on('upgrade', upgrade)

  return {
    listen: (host, port) => listen(server, host, port),
    drain: () => {
      draining = true
      // Nobody should send something over a connection that is about to end.
      server.closeIdleConnections()
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

/** Channels that listen on a port of their own, by their documentation's defaults; the rest are OpenClaw's own paths. */
const channelPorts: [prefix: string, port: number][] = [
  ['/telegram-webhook', 8787],
  ['/api/messages', 3978],
  ['/nextcloud-talk-webhook', 8788],
  ['/feishu/events', 3000],
]

function webhookPort(url: string | undefined): number | undefined {
  const path = url?.split('?', 1)[0] ?? ''
  return channelPorts.find(([prefix]) => path === prefix || path.startsWith(`${prefix}/`))?.[1]
}

function refuse(status: number, code: string, message: string): Admission {
  return { refusal: { status, code, message } }
}

function sendRefusal(response: ServerResponse, { status, code, message }: Refusal): void {
  if (status === 503) {
    response.setHeader('retry-after', '1')
    response.setHeader(refusedHeader, code)
  }
  sendJson(response, status, { error: { code, message } })
}

function sendUpgradeRefusal(socket: Duplex, { status, code }: Refusal): void {
  refuseUpgrade(socket, status, code, status === 503 ? [`${refusedHeader}: ${code}`] : [])
}

/** A named visitor, and no page of another origin: its script could otherwise use the visitor's log-in over a WebSocket. */
function mayVisit({ headers }: IncomingMessage, owner: Desired['owner']): boolean {
  const name = headers[userHeader]
  if (typeof name !== 'string' || !owner?.userNames.includes(name)) return false
  return headers.origin === undefined || owner.origins.includes(headers.origin)
}
