import { type RawData, WebSocket, WebSocketServer } from 'ws'
import type { LogLine } from '../../supervisor/protocol.ts'
import type { Database } from '../db/database.ts'
import { notFound, unavailable } from '../errors.ts'
import { errorBody } from '../http/errors.ts'
import { refuseUpgrade, type Upgrades } from '../http/upgrades.ts'
import { isId } from '../ids.ts'
import { type RootSecret, sameSecret } from '../secrets.ts'
import { findHolderUrl } from './holder.ts'
import type { LogBuffers } from './log-buffers.ts'

/** A slot's log, whichever control plane holds its link. */
export interface SlotLogs {
  /** The last lines, oldest first. Throws `unavailable` when the control plane that has them does not answer. */
  tail(slotId: string, linesMax: number): Promise<LogLine[]>
  /** Calls `onLines` once with the last lines, of which there may be none, and then with new ones until it is ended. */
  follow(slotId: string, linesMax: number, onLines: (lines: LogLine[]) => void): () => void
}

export interface SlotLogsDeps {
  buffers: LogBuffers
  upgrades: Upgrades
  database: Database
  secret: RootSecret
  nodeId: string
  /** How often a follower looks whether the link has moved to another control plane. */
  moveSeconds?: number
}

const path = '/link/logs'
const answerMillisecondsMax = 5_000
/** A full buffer of longest lines. */
const messageBytesMax = 16 * 1024 * 1024
/** What another control plane may leave unread before it is cut off; it comes back for the tail. */
const unsentBytesMax = 32 * 1024 * 1024

/** Logs are in the memory of the control plane that holds the link; the others ask that one, over a WebSocket. */
export function createSlotLogs(deps: SlotLogsDeps): SlotLogs & { close(): void } {
  const server = serveOtherNodes(deps)
  return {
    tail: async (slotId, linesMax) => {
      const url = await findHolderUrl(deps, slotId)
      return url ? firstLines(dial(deps, url, slotId, linesMax)) : deps.buffers.tail(slotId, linesMax)
    },
    follow: (slotId, linesMax, onLines) => follow(deps, slotId, linesMax, onLines),
    close: () => {
      for (const client of server.clients) client.terminate()
    },
  }
}

function follow(
  deps: SlotLogsDeps,
  slotId: string,
  linesMax: number,
  onLines: (lines: LogLine[]) => void,
): () => void {
  let ended = false
  let started = false
  let latestAt = ''
  let remote: { url: string; socket: WebSocket } | undefined

  const pass = (lines: LogLine[]): void => {
    if (ended) return
    // The first call is the tail, even if it is empty: whoever listens tells by it where news begins.
    if (started && lines.length === 0) return
    started = true
    latestAt = lines.at(-1)?.at ?? latestAt
    onLines(lines)
  }
  const connect = (url: string): void => {
    const socket = dial(deps, url, slotId, linesMax)
    remote = { url, socket }
    let isTail = true
    socket.on('message', (data) => {
      const lines = parseLines(data)
      // After a move the tail repeats what was passed on before.
      pass(isTail && started ? lines.filter((line) => line.at > latestAt) : lines)
      isTail = false
    })
    socket.on('close', () => {
      if (remote?.socket === socket) remote = undefined
      if (!started) pass([])
    })
  }
  const locate = async (): Promise<void> => {
    const url = await findHolderUrl(deps, slotId)
    if (ended || (url !== undefined && url === remote?.url)) return
    remote?.socket.terminate()
    remote = undefined
    if (url) connect(url)
    else if (!started) pass(deps.buffers.tail(slotId, linesMax))
  }
  // Lines that arrive here before the holder is known are in the tail that follows.
  const unsubscribe = deps.buffers.subscribe(slotId, (lines) => {
    if (started) pass(lines)
  })
  // A failed look, while the database restarts, is made good by the next.
  const look = () => void locate().catch(() => undefined)
  const timer = setInterval(look, (deps.moveSeconds ?? 5) * 1000)
  look()
  return () => {
    ended = true
    clearInterval(timer)
    unsubscribe()
    remote?.socket.terminate()
  }
}

function serveOtherNodes(deps: SlotLogsDeps): WebSocketServer {
  const server = new WebSocketServer({ noServer: true, maxPayload: 1024, perMessageDeflate: false })
  deps.upgrades.handle(path, (request, socket, head) => {
    const query = new URL(request.url ?? '', 'http://localhost').searchParams
    const slotId = query.get('slot') ?? ''
    const token = request.headers.authorization?.replace(/^Bearer /, '') ?? ''
    if (!isId(slotId) || !sameSecret(token, tokenOf(deps.secret, slotId))) {
      refuseUpgrade(socket, 404, JSON.stringify(errorBody(notFound())))
      return
    }
    server.handleUpgrade(request, socket, head, (webSocket) => {
      const send = (lines: LogLine[]): void => {
        if (webSocket.bufferedAmount > unsentBytesMax) webSocket.terminate()
        else if (webSocket.readyState === webSocket.OPEN) webSocket.send(JSON.stringify(lines))
      }
      const unsubscribe = deps.buffers.subscribe(slotId, send)
      webSocket.on('error', () => undefined)
      webSocket.on('close', unsubscribe)
      send(deps.buffers.tail(slotId, Number(query.get('tail')) || 0))
    })
  })
  return server
}

function dial(deps: SlotLogsDeps, internalUrl: string, slotId: string, linesMax: number): WebSocket {
  const url = new URL(path, internalUrl)
  url.protocol = url.protocol.replace('http', 'ws')
  url.search = new URLSearchParams({ slot: slotId, tail: String(linesMax) }).toString()
  const socket = new WebSocket(url, {
    headers: { authorization: `Bearer ${tokenOf(deps.secret, slotId)}` },
    handshakeTimeout: answerMillisecondsMax,
    maxPayload: messageBytesMax,
    perMessageDeflate: false,
  })
  // `close` follows and is what everyone waits for.
  socket.on('error', () => undefined)
  return socket
}

function firstLines(socket: WebSocket): Promise<LogLine[]> {
  return new Promise((done, failed) => {
    const timer = setTimeout(() => socket.terminate(), answerMillisecondsMax)
    socket.once('message', (data) => {
      done(parseLines(data))
      socket.terminate()
    })
    socket.once('close', () => {
      clearTimeout(timer)
      // Without effect when the lines came first.
      failed(
        unavailable(
          'logs_unavailable',
          'The control plane that holds this instance’s logs does not answer. Try again in a moment.',
          5,
        ),
      )
    })
  })
}

function parseLines(data: RawData): LogLine[] {
  // From a control plane that knows the root secret, so from this same code.
  return JSON.parse(String(data)) as LogLine[]
}

function tokenOf(secret: RootSecret, slotId: string): string {
  return secret.deriveToken('slot logs between control planes', slotId)
}
