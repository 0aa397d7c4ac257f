import { Agent, type Dispatcher } from 'undici'
import type { Logger } from '../telemetry/log.ts'
import { createPatience, isNotBegun, type NotBegun, notUp } from './again.ts'
import type { Body } from './body.ts'
import type { Dialer } from './dial.ts'
import { discardBody, type Exchange } from './exchange.ts'
import { type AnswerHeaderRules, answeredHeaders } from './headers.ts'
import { Refusal } from './refusal.ts'
import type { Upstream } from './upstream.ts'

export interface Forwarding {
  path: string
  /** For one upstream: name, value, ... without Content-Length. */
  headers: (upstream: Upstream) => string[]
  body: Body
  rules: AnswerHeaderRules
  /** How long a request of which nothing was begun is sent again. */
  holdSeconds: number
}

export interface Forwarder {
  /**
   * Sends the request on and streams the answer back. Asks `reach` again before every further attempt. Only what nobody
   * has begun is tried again: once OpenClaw was sent a byte, nobody can know what it has done with it.
   */
  forward(
    exchange: Exchange,
    forwarding: Forwarding,
    reach: (fresh: boolean) => Upstream | Promise<Upstream>,
  ): Promise<void>
  close(): Promise<void>
}

export interface ForwarderOptions {
  dialer: Dialer
  /** Until an answer begins. A turn of an agent that is not streamed may work for minutes before it does. */
  headersSeconds: number
  log: Logger
}

export function createForwarder(options: ForwarderOptions): Forwarder {
  const agent = new Agent({
    pipelining: 1,
    allowH2: false,
    connect: options.dialer.connector,
    headersTimeout: options.headersSeconds * 1000,
    // A stream may be silent for as long as it likes.
    bodyTimeout: 0,
    keepAliveTimeout: 4_000,
    keepAliveMaxTimeout: 60_000,
    maxHeaderSize: 64 * 1024,
  })

  return {
    forward: async (exchange, forwarding, reach) => {
      const { body, holdSeconds } = forwarding
      const untilNext = createPatience(holdSeconds)
      try {
        for (let fresh = false; ; fresh = true) {
          const reached = reach(fresh)
          const upstream = reached instanceof Promise ? await reached : reached
          if (exchange.gone) return
          const outcome = await send(agent, exchange, forwarding, upstream, options.log)
          if (outcome === 'answered' || exchange.gone) return
          if (!body.canOpen()) throw notUp()
          await untilNext(outcome)
          if (exchange.gone) return
        }
      } finally {
        body.release()
      }
    },
    close: () => agent.destroy(),
  }
}

/** Resolves when the exchange is over or could not begin; rejects with what to answer when nothing was answered yet. */
function send(
  agent: Agent,
  exchange: Exchange,
  forwarding: Forwarding,
  upstream: Upstream,
  log: Logger,
): Promise<'answered' | NotBegun> {
  const { request, response } = exchange
  return new Promise((resolve, reject) => {
    let controller: Dispatcher.DispatchController | undefined
    let refused = false
    const headers = forwarding.headers(upstream)
    const { streamedBytes } = forwarding.body
    if (streamedBytes !== undefined) headers.push('content-length', String(streamedBytes))
    exchange.abortUpstream = (reason) => controller?.abort(reason)
    const target = {
      origin: upstream.origin,
      path: upstream.prefix + forwarding.path,
      method: request.method as Dispatcher.HttpMethod,
      headers,
      // Undici takes any async iterable; its types name only Node's own streams.
      body: forwarding.body.open() as Buffer | null,
    }
    agent.dispatch(target, {
      // Called once there is a connection, just before the first byte is sent on it.
      onRequestStart: (started) => {
        controller = started
        if (exchange.gone) started.abort(new Error('the client went away'))
      },
      onResponseStart: (started, status) => {
        if (status < 200) return
        // As bytes: a name or value that is not ASCII goes out exactly as it came.
        const raw = (started.rawHeaders as Buffer[]).map((text) => text.toString('latin1'))
        // An OpenClaw without a supervisor is nobody to take such a word from.
        refused = !upstream.bare && isNotBegun(status, raw)
        if (refused) return
        forwarding.body.release()
        beginAnswer(exchange, status, raw, forwarding.rules)
      },
      onResponseData: (started, chunk) => {
        if (refused || response.write(chunk)) return
        started.pause()
        response.once('drain', () => started.resume())
      },
      onResponseEnd: () => {
        if (refused) return resolve('refused')
        response.end()
        if (!request.complete) discardBody(request)
        resolve('answered')
      },
      onResponseError: (_, error) => {
        if (exchange.gone) resolve('answered')
        else if (exchange.refusal && !response.headersSent) reject(exchange.refusal)
        else if ((error as NodeJS.ErrnoException).code === 'UND_ERR_INVALID_ARG') reject(unusable(error))
        else if (!controller) resolve('dial failed')
        else if (refused) resolve('refused')
        else if (response.headersSent) {
          // The client must see that the answer is not whole.
          response.destroy()
          resolve('answered')
        } else {
          log.warn({ err: error, requestId: exchange.requestId }, 'an instance broke off before it answered')
          reject(brokenOff(error))
        }
      },
    })
  })
}

function beginAnswer(
  exchange: Exchange,
  status: number,
  raw: readonly string[],
  rules: AnswerHeaderRules,
): void {
  const { response } = exchange
  const headers = answeredHeaders(raw, rules)
  headers.push(...exchange.answerHeaders)
  response.writeHead(status, headers)
  // An event stream's client wants to know at once that it is connected, however long the first event takes.
  if (!hasName(headers, 'content-length')) response.flushHeaders()
}

function hasName(headers: readonly string[], name: string): boolean {
  for (let index = 0; index < headers.length; index += 2)
    if ((headers[index] as string).toLowerCase() === name) return true
  return false
}

function brokenOff(error: Error): Refusal {
  if ((error as NodeJS.ErrnoException).code === 'UND_ERR_HEADERS_TIMEOUT')
    return new Refusal(504, 'instance_timeout', 'Your OpenClaw took too long to begin an answer.')
  return new Refusal(
    502,
    'instance_broke_off',
    'Your OpenClaw broke off before it answered. It may have begun what you asked for: look before you send it again.',
  )
}

function unusable(error: Error): Refusal {
  return new Refusal(400, 'bad_request', `The request cannot be sent on: ${error.message}.`)
}
