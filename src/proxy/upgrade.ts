import { type IncomingMessage, request as requestHttp } from 'node:http'
import type { Socket } from 'node:net'
import { createPatience, isNotBegun, type NotBegun } from './again.ts'
import type { Dialer } from './dial.ts'
import { headText, refuseOnSocket } from './exchange.ts'
import { type AnswerHeaderRules, answeredHeaders } from './headers.ts'
import { Refusal } from './refusal.ts'
import type { Upstream } from './upstream.ts'

export interface Upgrade {
  client: Socket
  /** What the client sent after its handshake, if it was in a hurry. */
  early: Buffer
  path: string
  headers: (upstream: Upstream) => string[]
  rules: AnswerHeaderRules
  answerHeaders: readonly string[]
}

export interface UpgradeOptions {
  dialer: Dialer
  /** Until the instance agrees to the WebSocket. */
  handshakeSeconds: number
  /** How long a handshake that the supervisor refused for now is tried again. */
  holdSeconds: number
}

/** What came of a handshake: two joined sockets, or an answer that was no upgrade and has been passed on. */
export type UpgradeResult = { kind: 'open'; instance: Socket } | { kind: 'refused'; status: number }

/**
 * Dials the instance first and only then answers the client, so that a refusal is a real HTTP answer. Throws the
 * Refusal to answer when there is no answer to pass on.
 */
export async function upgrade(
  request: Upgrade,
  reach: (fresh: boolean) => Upstream | Promise<Upstream>,
  options: UpgradeOptions,
): Promise<UpgradeResult> {
  const untilNext = createPatience(options.holdSeconds)
  for (let fresh = false; ; fresh = true) {
    const upstream = await reach(fresh)
    const socket = await options.dialer.dial(upstream.origin).catch(() => undefined)
    const result = socket ? await shakeHands(request, upstream, socket, options) : 'dial failed'
    if (typeof result === 'object') return result
    await untilNext(result)
    if (request.client.destroyed) throw new Error('the client went away')
  }
}

function shakeHands(
  request: Upgrade,
  upstream: Upstream,
  socket: Socket,
  options: UpgradeOptions,
): Promise<UpgradeResult | NotBegun> {
  const { client } = request
  return new Promise((resolve, reject) => {
    if (client.destroyed) {
      socket.destroy()
      reject(new Error('the client went away'))
      return
    }
    const handshake = requestHttp({
      method: 'GET',
      path: upstream.prefix + request.path,
      headers: [...request.headers(upstream), 'connection', 'Upgrade', 'upgrade', 'websocket'],
      // A connection of its own, which becomes the WebSocket.
      createConnection: () => socket,
    })
    const timer = setTimeout(
      () => handshake.destroy(new Error('the handshake took too long')),
      options.handshakeSeconds * 1000,
    )
    const leave = (): void => {
      handshake.destroy()
    }
    const settle = (): void => {
      clearTimeout(timer)
      client.off('close', leave)
    }
    client.once('close', leave)
    handshake.once('upgrade', (answer, instance: Socket, early) => {
      settle()
      resolve(openBoth(request, answer, instance, early))
    })
    handshake.once('response', (answer) => {
      settle()
      if (isNotBegun(answer.statusCode ?? 502, answer.rawHeaders)) {
        answer.resume()
        resolve('refused')
        return
      }
      passOn(request, answer)
      resolve({ kind: 'refused', status: answer.statusCode ?? 502 })
    })
    handshake.once('error', (error) => {
      settle()
      if (client.destroyed) reject(new Error('the client went away'))
      else
        reject(
          new Refusal(502, 'instance_broke_off', `Your OpenClaw broke off the WebSocket: ${error.message}.`),
        )
    })
    handshake.end()
  })
}

function openBoth(request: Upgrade, answer: IncomingMessage, instance: Socket, early: Buffer): UpgradeResult {
  const { client } = request
  if (client.destroyed || answer.headers.upgrade?.toLowerCase() !== 'websocket') {
    instance.destroy()
    if (!client.destroyed)
      refuseOnSocket(
        client,
        new Refusal(502, 'instance_broke_off', 'Your OpenClaw gave no WebSocket.'),
        undefined,
      )
    return { kind: 'refused', status: 502 }
  }
  const headers = answeredHeaders(answer.rawHeaders, request.rules)
  headers.push(...request.answerHeaders, 'connection', 'Upgrade', 'upgrade', 'websocket')
  client.write(headText(101, headers), 'latin1')
  if (early.length > 0) client.write(early)
  if (request.early.length > 0) instance.write(request.early)
  join(client, instance)
  return { kind: 'open', instance }
}

/** An answer that is no upgrade, such as a 401 of OpenClaw's own, with its body, and then the end. */
function passOn(request: Upgrade, answer: IncomingMessage): void {
  const { client } = request
  const headers = answeredHeaders(answer.rawHeaders, request.rules)
  client.write(
    headText(answer.statusCode ?? 502, [...headers, ...request.answerHeaders, 'connection', 'close']),
    'latin1',
  )
  answer.pipe(client)
  answer.once('error', () => client.destroy())
  client.once('close', () => answer.destroy())
}

/** From the first sign that a peer is silent until TCP asks whether it is still there. */
const keepAliveMilliseconds = 30_000
/** Time for what is still buffered to reach a peer whose other end has closed. */
const flushMilliseconds = 2_000

/**
 * Ties two sockets together: bytes flow as fast as the slower reads, and when one closes so does the other. Each side
 * holds at most what Node's streams buffer, a few hundred kilobytes.
 */
function join(client: Socket, instance: Socket): void {
  for (const socket of [client, instance]) {
    socket.setTimeout(0)
    socket.setNoDelay(true)
    socket.setKeepAlive(true, keepAliveMilliseconds)
  }
  tie(client, instance)
  tie(instance, client)
  client.pipe(instance)
  instance.pipe(client)
}

function tie(socket: Socket, other: Socket): void {
  const finish = (): void => {
    if (other.destroyed) return
    other.end()
    setTimeout(() => other.destroy(), flushMilliseconds).unref()
  }
  socket.on('error', () => other.destroy())
  socket.once('end', finish)
  socket.once('close', finish)
}
