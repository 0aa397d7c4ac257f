import type { IncomingMessage } from 'node:http'
import { type WebSocket, WebSocketServer } from 'ws'
import {
  fromGateSchema,
  gateHostHeader,
  gateMessageBytesMax,
  gateProtocolVersion,
  gateVersionHeader,
  type Report,
  type ToGate,
} from '../../gate/protocol.ts'
import type { Database } from '../db/database.ts'
import type { Listener } from '../db/listen.ts'
import { pruneEgress, recordEgress } from '../domain/egress/reports.ts'
import { unauthenticated } from '../errors.ts'
import { errorBody } from '../http/errors.ts'
import { refuseUpgrade, type Upgrades } from '../http/upgrades.ts'
import { parseJson } from '../link/json.ts'
import { type RootSecret, sameSecret } from '../secrets.ts'
import type { Logger } from '../telemetry/log.ts'
import { gateDriver, loadHostPolicy } from './host-policy.ts'
import { gateToken } from './token.ts'

export interface GatesOptions {
  upgrades: Upgrades
  database: Database
  listener: Listener
  secret: RootSecret
  log: Logger
  /** Whether instances may be set to reach any public address. */
  openPermitted: boolean
  /** How often every policy is compared with the database, whatever was or was not notified. */
  pollSeconds?: number
}

export interface Gates {
  /** Hosts whose gates are connected here. */
  hosts(): string[]
  close(): Promise<void>
}

/** One connected gate, and the policy that it was last sent, as JSON. */
interface ConnectedGate {
  host: string
  socket: WebSocket
  sequence: number
  sent: string
  heard: boolean
}

const pingMilliseconds = 10_000
const pruneMilliseconds = 3_600_000

/** The control plane's end of the gates' connections: `/gate` on the API's listener. */
export function attachGates(options: GatesOptions): Gates {
  const { database, log } = options
  const gates = new Set<ConnectedGate>()
  const push = createPush(options, gates)
  const server = new WebSocketServer({
    noServer: true,
    maxPayload: gateMessageBytesMax,
    perMessageDeflate: false,
  })
  options.upgrades.handle('/gate', (request, socket, head) => {
    const host = authenticate(options.secret, request)
    if (host === undefined) return refuseUpgrade(socket, 401, JSON.stringify(errorBody(notAGate())))
    server.handleUpgrade(request, socket, head, (webSocket) => {
      const gate: ConnectedGate = { host, socket: webSocket, sequence: 0, sent: '', heard: true }
      gates.add(gate)
      log.info({ host }, 'gate connected')
      receive(gate, options)
      webSocket.once('close', () => {
        gates.delete(gate)
        log.info({ host }, 'gate disconnected')
      })
      push()
    })
  })
  const hint = { onHint: push, onReconnect: push }
  const unsubscribe = [
    options.listener.subscribe('slot_changed', hint),
    options.listener.subscribe('egress_changed', hint),
  ]
  const timers = [
    setInterval(push, (options.pollSeconds ?? 5) * 1000),
    setInterval(() => probe(gates), pingMilliseconds),
    setInterval(() => {
      pruneEgress(database).catch((error) => log.warn({ err: error }, 'old egress counts were not pruned'))
    }, pruneMilliseconds),
  ]

  return {
    hosts: () => [...new Set([...gates].map((gate) => gate.host))],
    close: async () => {
      for (const timer of timers) clearInterval(timer)
      for (const end of unsubscribe) end()
      for (const client of server.clients) client.terminate()
      await new Promise((done) => server.close(done))
    },
  }
}

/** The name of the host whose gate this is, by its token. */
function authenticate(secret: RootSecret, request: IncomingMessage): string | undefined {
  const { authorization, [gateHostHeader]: name, [gateVersionHeader]: version } = request.headers
  if (typeof name !== 'string' || version !== String(gateProtocolVersion)) return undefined
  const host = decode(name)
  const token = authorization?.replace(/^Bearer /, '')
  if (!host || !token) return undefined
  return sameSecret(token, gateToken(secret, host)) ? host : undefined
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

const notAGate = () =>
  unauthenticated(
    'gate_unknown',
    'This is no gate of this Reef, or one of another version. Start the host’s gate anew.',
  )

/** A burst of hints costs one look per host; what is asked while one runs is answered by the next. */
function createPush(options: GatesOptions, gates: Set<ConnectedGate>): () => void {
  let running = false
  let asked = false
  const pushAll = async (): Promise<void> => {
    for (const host of new Set([...gates].map((gate) => gate.host))) {
      const policy = await loadHostPolicy(options.database, host, options.openPermitted)
      const text = JSON.stringify(policy)
      for (const gate of gates) {
        if (gate.host !== host || gate.sent === text) continue
        gate.sent = text
        gate.sequence += 1
        const message: ToGate = { type: 'policy', sequence: gate.sequence, policy }
        gate.socket.send(JSON.stringify(message))
      }
    }
  }
  const run = async (): Promise<void> => {
    running = true
    while (asked) {
      asked = false
      // After a failure the poll asks again; trying at once would only press a database in trouble.
      await pushAll().catch((error) => options.log.warn({ err: error }, 'gate policies could not be read'))
    }
    running = false
  }
  return () => {
    asked = true
    if (!running && gates.size > 0) void run()
  }
}

function receive(gate: ConnectedGate, options: GatesOptions): void {
  const { socket, host } = gate
  let work = Promise.resolve()
  const record = (report: Report): void => {
    // Counts are worth no retry: the next report says what matters.
    work = work
      .then(() => recordEgress(options.database, { driver: gateDriver, host }, report))
      .catch((error) => options.log.warn({ err: error, host }, 'a gate’s report was not recorded'))
  }
  socket.on('pong', () => {
    gate.heard = true
  })
  socket.on('error', () => socket.terminate())
  socket.on('message', (data) => {
    gate.heard = true
    const message = fromGateSchema.safeParse(parseJson(String(data)))
    if (!message.success) socket.close(1008, 'not a message of a gate')
    else if (message.data.type === 'report') record(message.data)
  })
}

function probe(gates: Set<ConnectedGate>): void {
  for (const gate of gates) {
    if (!gate.heard) gate.socket.terminate()
    gate.heard = false
    if (gate.socket.readyState === gate.socket.OPEN) gate.socket.ping()
  }
}
