import { type IncomingMessage, type Server, STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import { notFound } from '../errors.ts'
import { errorBody } from './errors.ts'

type UpgradeHandler = (request: IncomingMessage, socket: Duplex, head: Buffer) => void

/** The WebSocket paths of one listener: each has one owner, and what nobody owns is refused. */
export interface Upgrades {
  handle(path: string, handler: UpgradeHandler): void
}

export function attachUpgrades(server: Server): Upgrades {
  const handlers = new Map<string, UpgradeHandler>()
  server.on('upgrade', (request, socket, head) => {
    // Until a handler takes over nobody else listens, and an error without a listener ends the process.
    socket.on('error', () => socket.destroy())
    const handler = handlers.get(pathOf(request))
    if (handler) handler(request, socket, head)
    else refuseUpgrade(socket, 404, JSON.stringify(errorBody(notFound())))
  })
  return {
    handle: (path, handler) => {
      handlers.set(path, handler)
    },
  }
}

/** Answers a request for an upgrade with an ordinary response and closes. */
export function refuseUpgrade(socket: Duplex, status: number, body: string): void {
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\nContent-Type: application/json\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    () => socket.destroy(),
  )
}

function pathOf(request: IncomingMessage): string {
  const target = request.url ?? ''
  const end = target.indexOf('?')
  return end === -1 ? target : target.slice(0, end)
}
