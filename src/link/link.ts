import { WebSocketServer } from 'ws'
import { linkMessageBytesMax } from '../../supervisor/protocol.ts'
import type { Database } from '../db/database.ts'
import type { Listener } from '../db/listen.ts'
import type { Upgrades } from '../http/upgrades.ts'
import type { Logger } from '../telemetry/log.ts'
import { createCalls, type SlotCalls } from './calls.ts'
import { type Connection, closeCodes, openConnection } from './connection.ts'
import type { DesiredSources } from './desired.ts'
import { createDesiredPush } from './desired-push.ts'
import type { LinkedSlots } from './linked-slots.ts'
import { createLogBuffers, type LogBuffers } from './log-buffers.ts'
import { type ReceptionDeps, receive } from './reception.ts'
import { createSlotLogs, type SlotLogs } from './slot-logs.ts'
import { clearExpired, findRemaining, pruneSamples } from './store.ts'

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
/** Supervisors that have connected and not yet said who they are. */
const unknownMax = 1_000
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
  const server = new WebSocketServer({
    noServer: true,
    maxPayload: linkMessageBytesMax,
    perMessageDeflate: false,
  })
  options.upgrades.handle('/link', (request, socket, head) => {
    server.handleUpgrade(request, socket, head, (webSocket) => {
      if (deps.isStopping() || server.clients.size - deps.linked.size > unknownMax) {
        webSocket.close(closeCodes.restarting, 'try again later')
        return
      }
      const handler = receive(deps, () => connection)
      const onEnd = (silent: boolean): Promise<void> => {
        const end = handler.onEnd(silent).finally(() => ends.delete(end))
        ends.add(end)
        return end
      }
      const connection: Connection = openConnection(
        webSocket,
        { ...handler, onEnd },
        (options.helloSecondsMax ?? 5) * 1000,
      )
    })
  })
  return {
    close: async (): Promise<void> => {
      for (const client of server.clients) client.close(closeCodes.restarting, 'the control plane stops')
      // A supervisor that does not answer the closing handshake within a second is not waited for.
      const impatience = setTimeout(() => {
        for (const client of server.clients) client.terminate()
      }, 1_000)
      await new Promise((done) => {
        server.close(done)
      })
      clearTimeout(impatience)
      await Promise.allSettled([...ends])
    },
  }
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
