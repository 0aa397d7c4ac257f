import { type WebSocket, WebSocketServer } from 'ws'
import { linkMessageBytesMax } from '../../supervisor/protocol.ts'
import type { Database } from '../db/database.ts'
import type { Listener } from '../db/listen.ts'
import type { Upgrades } from '../http/upgrades.ts'
import type { Logger } from '../telemetry/log.ts'
import { createCalls, type SlotCalls } from './calls.ts'
import { type Connection, closeCodes, type Hello, openConnection } from './connection.ts'
import type { DesiredSources } from './desired.ts'
import { createDesiredPush } from './desired-push.ts'
import type { LinkedSlots } from './linked-slots.ts'
import { createLogBuffers, type LogBuffers } from './log-buffers.ts'
import { type ReceptionDeps, receive } from './reception.ts'
import { createSlotLogs, type SlotLogs } from './slot-logs.ts'
import { clearExpired, findRemaining, pruneSamples } from './store.ts'
import { createUnknownConnections } from './unknown-connections.ts'

export interface LinkOptions {
  upgrades: Upgrades
  database: Database
  listener: Listener
  /** This control plane's row in `nodes`. */
  nodeId: string
  log: Logger
  desired: DesiredSources
  leaseSeconds: number
  heartbeatSeconds?: number
  /** How often every link is checked against the database, whatever was or was not notified. */
  pollSeconds?: number
  helloSecondsMax?: number
  /** Connections that have not been admitted. Tests lower it. */
  unknownMax?: number
}

export interface Link {
  /** What supervisors wrote, from whichever control plane holds their links. */
  readonly logs: SlotLogs
  readonly calls: SlotCalls
  countLinks(): number
  /** Closes all links. Their slots stay ready: the supervisors dial again until a control plane answers. */
  close(): Promise<void>
}

const pruneMilliseconds = 600_000
/** Whoever has connected and was not yet admitted: all supervisors at once after a restart, and anybody else. */
const standardUnknownMax = 1_000
/** For the closing handshake; whoever takes no part in it is cut off. */
const closeMilliseconds = 1_000
/** A supervisor that has missed two heartbeats and has not answered a ping either is gone. */
const silentHeartbeatsMax = 2.5

/** The control plane's end of the link: `/link` on the API's listener. protocol.ts says who sends what when. */
export function attachLink(options: LinkOptions): Link {
  const { database, log, leaseSeconds, nodeId } = options
  const heartbeatSeconds = options.heartbeatSeconds ?? 5
  const linked: LinkedSlots = new Map()
  const buffers = createLogBuffers()
  const logs = createSlotLogs({
    buffers,
    upgrades: options.upgrades,
    database,
    secret: options.desired.secret,
    nodeId,
  })
  const calls = createCalls({
    linked,
    upgrades: options.upgrades,
    database,
    secret: options.desired.secret,
    nodeId,
  })
  const push = createDesiredPush({ database, linked, sources: options.desired, leaseSeconds, log })
  let stopping = false
  const server = listenForSupervisors(options, {
    database,
    nodeId,
    log,
    linked,
    logs: buffers,
    calls,
    push,
    sources: options.desired,
    heartbeatSeconds,
    leaseSeconds,
    isStopping: () => stopping,
  })
  const unsubscribe = subscribe(options.listener, linked, (slotIds) => push.ask(slotIds))
  const timers = [
    setInterval(
      () => {
        for (const { connection, still } of linked.values())
          if (still) connection.excuse()
          else connection.probe(silentHeartbeatsMax * heartbeatSeconds * 1000)
      },
      (heartbeatSeconds * 1000) / 2,
    ),
    setInterval(
      () => {
        push.ask(linked.keys())
        tidy(database, leaseSeconds, linked, buffers).catch((error) =>
          log.warn({ err: error }, 'tidying failed'),
        )
      },
      (options.pollSeconds ?? 15) * 1000,
    ),
    setInterval(() => {
      pruneSamples(database).catch((error) => log.warn({ err: error }, 'old samples were not pruned'))
    }, pruneMilliseconds),
  ]

  return {
    logs,
    calls,
    countLinks: () => linked.size,
    close: async () => {
      stopping = true
      for (const timer of timers) clearInterval(timer)
      unsubscribe()
      logs.close()
      calls.close()
      await server.close()
    },
  }
}

function listenForSupervisors(options: LinkOptions, deps: ReceptionDeps) {
  const ends = new Set<Promise<void>>()
  const unknown = createUnknownConnections<WebSocket>(options.unknownMax ?? standardUnknownMax)
  const server = new WebSocketServer({
    noServer: true,
    maxPayload: linkMessageBytesMax,
    perMessageDeflate: false,
  })
  options.upgrades.handle('/link', (request, socket, head) => {
    server.handleUpgrade(request, socket, head, (webSocket) => {
      if (deps.isStopping() || !unknown.makeRoom()) {
        turnAway(webSocket)
        return
      }
      const handler = receive(deps, () => connection)
      const onEnd = (silent: boolean): Promise<void> => {
        const end = handler.onEnd(silent).finally(() => ends.delete(end))
        ends.add(end)
        return end
      }
      const onHello = (hello: Hello) => {
        unknown.heard(webSocket)
        return handler.onHello(hello).finally(() => unknown.remove(webSocket))
      }
      const connection: Connection = openConnection(
        webSocket,
        { ...handler, onHello, onEnd },
        (options.helloSecondsMax ?? 5) * 1000,
      )
      unknown.add(webSocket, () => connection.close(closeCodes.restarting, tryAgain))
      webSocket.once('close', () => unknown.remove(webSocket))
    })
  })
  return {
    close: async (): Promise<void> => {
      for (const client of server.clients) client.close(closeCodes.restarting, 'the control plane stops')
      const impatience = setTimeout(() => {
        for (const client of server.clients) client.terminate()
      }, closeMilliseconds)
      await new Promise((done) => {
        server.close(done)
      })
      clearTimeout(impatience)
      await Promise.allSettled([...ends])
    },
  }
}

const tryAgain = 'try again later'

/** Before anything was made of it. */
function turnAway(webSocket: WebSocket): void {
  // What it sends meanwhile may be no WebSocket frame at all, and an error that nobody listens to ends the process.
  webSocket.on('error', () => undefined)
  webSocket.close(closeCodes.restarting, tryAgain)
  setTimeout(() => webSocket.terminate(), closeMilliseconds).unref()
}

function subscribe(
  listener: Listener,
  linked: LinkedSlots,
  ask: (slotIds: Iterable<string>) => void,
): () => void {
  const ends = [
    listener.subscribe('slot_changed', {
      onHint: (slotId) => ask([slotId]),
      onReconnect: () => ask(linked.keys()),
    }),
    listener.subscribe('instance_changed', {
      onHint: (instanceId) => {
        for (const slot of linked.values()) if (slot.instanceId === instanceId) ask([slot.hold.slotId])
      },
      // The subscription above has asked for all of them.
      onReconnect: () => undefined,
    }),
  ]
  return () => {
    for (const end of ends) end()
  }
}

async function tidy(
  database: Database,
  leaseSeconds: number,
  linked: LinkedSlots,
  logs: LogBuffers,
): Promise<void> {
  await clearExpired(database, leaseSeconds)
  const unlinked = logs.slotIds().filter((slotId) => !linked.has(slotId))
  const remaining = await findRemaining(database, unlinked)
  for (const slotId of unlinked) if (!remaining.has(slotId)) logs.drop(slotId)
}
