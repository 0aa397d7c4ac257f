import { type WebSocket, WebSocketServer } from 'ws'
import type { Listener } from '../db/listen.ts'
import type { Authenticator } from '../domain/accounts/principal.ts'
import { ReefError, unavailable } from '../errors.ts'
import { errorBody } from '../http/errors.ts'
import { refuseUpgrade, type Upgrades } from '../http/upgrades.ts'
import { type Client, openClient } from './client.ts'
import { closeCodes } from './messages.ts'
import type { SubscriptionDeps } from './subscriptions.ts'

export interface RealtimeOptions extends Omit<SubscriptionDeps, 'send'> {
  upgrades: Upgrades
  authenticator: Authenticator
  listener: Listener
  /** Origins of pages that may connect; programs send none. */
  allowedOrigins(): string[]
  authenticateSecondsMax?: number
  /** How often credentials are checked anew, so how long a revoked one may still listen. */
  recheckSeconds?: number
  /** How often everything subscribed to is looked at, whatever was or was not notified. */
  pollSeconds?: number
  pingSeconds?: number
  unsentBytesMax?: number
}

export interface Realtime {
  countClients(): number
  close(): Promise<void>
}

/** Messages of clients are a few hundred bytes; an access token makes the largest. */
const messageBytesMax = 16 * 1024
const clientsMax = 10_000

/** Live state and logs for browsers and the command line: `/realtime` on the API's listener. */
export function attachRealtime(options: RealtimeOptions): Realtime {
  const clients = new Map<WebSocket, Client>()
  const server = new WebSocketServer({
    noServer: true,
    maxPayload: messageBytesMax,
    perMessageDeflate: false,
  })
  const deps = {
    authenticator: options.authenticator,
    instances: options.instances,
    logs: options.logs,
    authenticateSecondsMax: options.authenticateSecondsMax ?? 5,
    unsentBytesMax: options.unsentBytesMax ?? 1024 * 1024,
  }
  options.upgrades.handle('/realtime', (request, socket, head) => {
    // The credential is in a message and not in a cookie, so a foreign page could do nothing; it need not try either.
    const { origin } = request.headers
    if (origin !== undefined && !options.allowedOrigins().includes(origin)) {
      refuseUpgrade(socket, 403, JSON.stringify(errorBody(foreignOrigin)))
      return
    }
    if (clients.size >= clientsMax) {
      refuseUpgrade(
        socket,
        503,
        JSON.stringify(errorBody(unavailable('busy', 'Too many connections. Try again.'))),
      )
      return
    }
    server.handleUpgrade(request, socket, head, (webSocket) => {
      clients.set(webSocket, openClient(webSocket, deps))
      webSocket.on('close', () => clients.delete(webSocket))
    })
  })

  const forAll = (act: (client: Client) => void) => () => {
    for (const client of clients.values()) act(client)
  }
  const refreshAll = forAll((client) => client.refreshAll())
  const unsubscribe = options.listener.subscribe('instance_changed', {
    onHint: (instanceId) => {
      for (const client of clients.values()) if (client.watches(instanceId)) client.refresh(instanceId)
    },
    onReconnect: refreshAll,
  })
  const unsubscribeCredits = options.listener.subscribe('credits_changed', {
    onHint: (organizationId) => {
      for (const client of clients.values()) client.creditsChanged(organizationId)
    },
    // Who missed one asks again by themselves.
    onReconnect: () => undefined,
  })
  const timers = [
    setInterval(refreshAll, (options.pollSeconds ?? 15) * 1000),
    setInterval(
      forAll((client) => client.recheck()),
      (options.recheckSeconds ?? 15) * 1000,
    ),
    setInterval(
      forAll((client) => client.probe()),
      (options.pingSeconds ?? 30) * 1000,
    ),
  ]

  return {
    countClients: () => clients.size,
    close: async () => {
      for (const timer of timers) clearInterval(timer)
      unsubscribe()
      unsubscribeCredits()
      for (const webSocket of clients.keys()) webSocket.close(closeCodes.tryLater, 'the control plane stops')
      // A page that does not answer the closing handshake within a second is not waited for.
      const impatience = setTimeout(() => {
        for (const webSocket of clients.keys()) webSocket.terminate()
      }, 1_000)
      await new Promise((done) => {
        server.close(done)
      })
      clearTimeout(impatience)
    },
  }
}

const foreignOrigin = new ReefError('notFound', {
  code: 'origin_not_allowed',
  message:
    'Pages of this origin may not connect. Operators: set REEF_PUBLIC_URL to where people open the dashboard.',
})
