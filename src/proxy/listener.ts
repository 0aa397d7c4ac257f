import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { refuseOnSocket } from './exchange.ts'
import { asksForWebSocket } from './framing.ts'
import { Refusal } from './refusal.ts'
import { readHead } from './request-head.ts'

export interface Listener {
  readonly server: Server
  /** From now on every answer closes its connection. */
  drain(): void
}

/** A whole body, however large and slow it may rightly be. Those that stall are given up on long before. */
const requestMilliseconds = 10 * 60_000
/** Longer than common load balancers keep theirs, so that it is they who close idle connections. */
const keepAliveMilliseconds = 75_000

/** Node's HTTP server with everything strict and every limit set, and its own answers in the shape of all others. */
export function openListener(
  requestHeadSeconds: number,
  onRequest: (request: IncomingMessage, response: ServerResponse) => void,
  onUpgrade: (request: IncomingMessage, socket: Socket, early: Buffer) => void,
): Listener {
  const answering = new WeakMap<Duplex, number>()
  const count = (socket: Duplex, change: number): void => {
    answering.set(socket, (answering.get(socket) ?? 0) + change)
  }
  let draining = false
  const server = createServer({
    insecureHTTPParser: false,
    // An absent Host is refused with the rest of what is malformed.
    requireHostHeader: false,
    maxHeaderSize: 32 * 1024,
    headersTimeout: requestHeadSeconds * 1000,
    requestTimeout: requestMilliseconds,
    connectionsCheckingInterval: 1_000,
    keepAliveTimeout: keepAliveMilliseconds,
    noDelay: true,
    // Upgrades to anything else (h2c) are served as the plain requests that they also are.
    shouldUpgradeCallback: (request: IncomingMessage) => asksForWebSocket(readHead(request.rawHeaders)),
  })
  // Bytes bound the head; a limit by count would drop headers without a word.
  server.maxHeadersCount = 0

  server.on('request', (request, response) => {
    if (draining) response.shouldKeepAlive = false
    const { socket } = request
    count(socket, 1)
    response.once('close', () => count(socket, -1))
    onRequest(request, response)
  })
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, early: Buffer) => {
    // A client that resets must not end the process.
    socket.on('error', () => socket.destroy())
    onUpgrade(request, socket as Socket, early)
  })
  server.on('connect', (_request, socket) => {
    socket.on('error', () => socket.destroy())
    refuseOnSocket(socket, new Refusal(405, 'method_not_allowed', 'This is no forward proxy.'), undefined)
  })
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    // While an answer is under way, another one in its middle would be taken for part of it.
    if ((answering.get(socket) ?? 0) > 0 || error.code === 'ECONNRESET') socket.destroy()
    else refuseOnSocket(socket, parserRefusal(error.code), undefined)
  })
  return {
    server,
    drain: () => {
      draining = true
    },
  }
}

function parserRefusal(code: string | undefined): Refusal {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return new Refusal(431, 'headers_too_large', 'The headers are larger than 32 KiB. Send fewer cookies.')
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new Refusal(408, 'request_timeout', 'The request did not arrive in time. Send it again.')
    default:
      return new Refusal(400, 'bad_request', 'This is not a well-formed HTTP/1.1 request.')
  }
}
