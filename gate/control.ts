import { WebSocket } from 'ws'
import type { GateLimits } from './limits.ts'
import {
  type FromGate,
  gateHostHeader,
  gateMessageBytesMax,
  gateProtocolVersion,
  gateVersionHeader,
  type Policy,
  type ToGate,
  toGateSchema,
} from './protocol.ts'
import type { Reports } from './reports.ts'

export interface ControlDeps {
  controlUrl: string
  hostName: string
  token: string
  limits: GateLimits
  reports: Reports
  onPolicy(policy: Policy): void
  log(line: string): void
}

const pingMilliseconds = 5_000
const reconnectMillisecondsMin = 100

/**
 * Keeps the connection to the control plane: takes every policy and hands in reports. While there is none, the last
 * policy stays in force.
 */
export function keepControl(deps: ControlDeps): { close(): void } {
  const url = `${deps.controlUrl.replace(/^http/, 'ws').replace(/\/+$/, '')}/gate`
  let closed = false
  let attempts = 0
  let socket: WebSocket | undefined
  let retry: NodeJS.Timeout | undefined

  const connect = (): void => {
    const next = new WebSocket(url, {
      headers: {
        authorization: `Bearer ${deps.token}`,
        [gateHostHeader]: encodeURIComponent(deps.hostName),
        [gateVersionHeader]: String(gateProtocolVersion),
      },
      maxPayload: gateMessageBytesMax,
      handshakeTimeout: deps.limits.requestSeconds * 1000,
      perMessageDeflate: false,
    })
    socket = next
    let heard = true
    const ping = setInterval(() => {
      if (!heard) return next.terminate()
      heard = false
      if (next.readyState === next.OPEN) next.ping()
    }, pingMilliseconds)
    const report = setInterval(() => sendReport(next, deps.reports), deps.limits.reportSeconds * 1000)
    let problem = 'the connection ended'
    next.on('pong', () => {
      heard = true
    })
    next.on('open', () => deps.log(`connected to ${url}`))
    next.on('message', (data) => {
      heard = true
      const message = readMessage(String(data))
      if (!message) return next.close(1008, 'not a message of the gate')
      attempts = 0
      deps.onPolicy(message.policy)
      next.send(JSON.stringify({ type: 'applied', sequence: message.sequence } satisfies FromGate))
    })
    next.on('error', (error) => {
      problem = error.message
    })
    next.once('close', () => {
      clearInterval(ping)
      clearInterval(report)
      if (closed) return
      if (attempts === 0 || attempts % 50 === 0) deps.log(`no control plane at ${url}: ${problem}; trying on`)
      attempts += 1
      const ceiling = Math.min(
        deps.limits.reconnectSecondsMax * 1000,
        reconnectMillisecondsMin * 2 ** Math.min(attempts, 10),
      )
      // Spread, so that many gates that lost the same control plane do not return in step.
      retry = setTimeout(connect, ceiling / 2 + (ceiling / 2) * Math.random())
    })
  }
  connect()

  return {
    close: () => {
      closed = true
      clearTimeout(retry)
      if (socket?.readyState === WebSocket.OPEN) sendReport(socket, deps.reports)
      socket?.close()
    },
  }
}

function readMessage(text: string): ToGate | undefined {
  try {
    return toGateSchema.parse(JSON.parse(text))
  } catch {
    return undefined
  }
}

function sendReport(socket: WebSocket, reports: Reports): void {
  if (socket.readyState !== WebSocket.OPEN) return
  const report = reports.take()
  if (!report) return
  socket.send(JSON.stringify(report), (error) => {
    if (error) reports.putBack(report)
  })
}
