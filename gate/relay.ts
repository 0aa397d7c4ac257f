import { createServer, request as requestHttp, type Server } from 'node:http'
import { request as requestHttps } from 'node:https'
import type { Socket } from 'node:net'
import { admitInstances } from './admission.ts'
import { answerText, type ExchangeOptions, exchange, exchangeUpgrade } from './exchange.ts'
import { passedHeaders } from './headers.ts'
import { answerOnSocket } from './http-answer.ts'
import type { GateLimits } from './limits.ts'
import type { Slots } from './slots.ts'

export interface RelayDeps {
  slots: Slots
  controlUrl: string
  limits: GateLimits
}

/** A client's word on who it is or by which way it came counts for nothing. */
const spoofable = new Set([
  'host',
  'content-length',
  'forwarded',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
  'x-forwarded-port',
  'x-real-ip',
])

const nothingHere =
  'There is nothing here. An instance reaches /link, /models and /slot of its control plane.'

/** From instances to the control plane: the link, model calls and what belongs to the slot, and not one path more. */
export function createRelay(deps: RelayDeps): Server {
  const { limits } = deps
  const server = createServer({
    maxHeaderSize: limits.headerBytesMax,
    headersTimeout: limits.requestSeconds * 1000,
    requestTimeout: 0,
    connectionsCheckingInterval: 1_000,
    keepAliveTimeout: 60_000,
  })
  const slotOf = admitInstances(server, { ...deps, connectionsPerSlotMax: limits.connectionsPerSlotMax })
  const control = new URL(deps.controlUrl)
  const secure = control.protocol === 'https:'
  const optionsOf = (rawHeaders: string[], path: string): ExchangeOptions => ({
    open: (options) =>
      (secure ? requestHttps : requestHttp)({
        ...options,
        host: control.hostname.replace(/^\[|\]$/g, ''),
        port: control.port || (secure ? 443 : 80),
        // One that was kept may be closing just now, and a model call is not sent twice.
        agent: false,
      }),
    path: control.pathname.replace(/\/+$/, '') + path,
    headers: [...passedHeaders(rawHeaders, spoofable), 'host', control.host],
    unreachable: 'The control plane does not answer at the moment. Try again in a few seconds.',
  })

  server.on('request', (request, response) => {
    if (!slotOf(request.socket)) return request.socket.destroy()
    const path = request.url ?? ''
    if (isRelayed(path)) exchange(request, response, optionsOf(request.rawHeaders, path))
    else answerText(response, 404, nothingHere)
  })
  server.on('upgrade', (request, client: Socket, early) => {
    if (!slotOf(client)) return client.destroy()
    const path = request.url ?? ''
    if (!isRelayed(path)) return answerOnSocket(client, 404, nothingHere)
    exchangeUpgrade(client, request, early, {
      ...optionsOf(request.rawHeaders, path),
      handshakeSeconds: limits.requestSeconds,
      // The link has a heartbeat of its own, and is to be there still when a suspended instance wakes.
      idleSeconds: 0,
    })
  })
  server.on('clientError', (_, socket) =>
    answerOnSocket(socket, 400, 'This is no request that the gate understands.'),
  )
  return server
}

/**
 * Judged on the path as it was sent, which is also what is sent on: whatever another server could read as a way up or
 * as another slash is no path of ours.
 */
export function isRelayed(target: string): boolean {
  const path = target.split('?', 1)[0] as string
  if (/%2e|%2f|%5c|%00|\\|\/\/|\/\.{1,2}(?:\/|$)|[^\x21-\x7e]|#/i.test(path)) return false
  return path === '/link' || path.startsWith('/models/') || path.startsWith('/slot/')
}
