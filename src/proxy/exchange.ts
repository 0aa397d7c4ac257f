import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { pagePolicy, renderPage } from './page.ts'
import type { Refusal } from './refusal.ts'
import { header, type RequestHead } from './request-head.ts'
import type { Route } from './routing.ts'

/** One request and its answer. */
export interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly head: RequestHead
  readonly requestId: string
  readonly startedAt: number
  /** For metrics and for how errors look; `none` until it is known. */
  kind: Route['kind'] | 'none'
  /** Headers on every answer, whoever gives it: name, value, ... */
  answerHeaders: string[]
  /** The client went away, or the answer was cut off. */
  gone: boolean
  /** Set while an upstream works on it. */
  abortUpstream: ((reason: Error) => void) | undefined
  /** Why the exchange ended early, if it was the client's doing. */
  refusal: Refusal | undefined
}

export function openExchange(
  request: IncomingMessage,
  response: ServerResponse,
  head: RequestHead,
  requestId: string,
): Exchange {
  return {
    request,
    response,
    head,
    requestId,
    startedAt: performance.now(),
    kind: 'none',
    answerHeaders: ['x-request-id', requestId],
    gone: false,
    abortUpstream: undefined,
    refusal: undefined,
  }
}

/** A signal that fires when the client goes away; made only by those who need to wait. */
export function goneSignal(exchange: Exchange): () => AbortSignal {
  let signal: AbortSignal | undefined
  return () => {
    if (signal) return signal
    const controller = new AbortController()
    if (exchange.gone) controller.abort()
    exchange.response.once('close', () => controller.abort())
    signal = controller.signal
    return signal
  }
}

/** Time for a client to finish sending a body that nobody wants any more, so that it gets to read the answer. */
const discardMilliseconds = 5_000

/** Lets go of the rest of a body after an answer that did not wait for it. */
export function discardBody(request: IncomingMessage): void {
  if (request.complete) return
  request.resume()
  setTimeout(() => {
    if (!request.complete) request.socket.destroy()
  }, discardMilliseconds).unref()
}

export interface RefusalAnswer {
  status: number
  headers: string[]
  body: string
}

/** How a refusal looks: a page for a person who navigates to an instance, JSON for everything else. */
export function renderRefusal(refusal: Refusal, asPage: boolean, dashboardUrl: string): RefusalAnswer {
  const headers = ['cache-control', 'no-store', 'x-content-type-options', 'nosniff']
  if (refusal.retryAfterSeconds !== undefined) headers.push('retry-after', String(refusal.retryAfterSeconds))
  if (refusal.status === 405) headers.push('allow', 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS')
  let body: string
  if (asPage) {
    body = renderPage({
      title: titles[refusal.code] ?? 'This did not work',
      message: refusal.message,
      link: { url: dashboardUrl, label: 'Go to the dashboard' },
      refreshSeconds: passing.has(refusal.code) ? pageRefreshSeconds : undefined,
    })
    headers.push('content-type', 'text/html; charset=utf-8', 'content-security-policy', pagePolicy)
    headers.push('referrer-policy', 'no-referrer')
  } else {
    body = JSON.stringify({ error: { code: refusal.code, message: refusal.message } })
    headers.push('content-type', 'application/json; charset=utf-8')
    if (refusal.status === 401) headers.push('www-authenticate', 'Bearer')
  }
  headers.push('content-length', String(Buffer.byteLength(body)))
  return { status: refusal.status, headers, body }
}

/** What passes by itself: the page looks again until it does. */
const passing = new Set(['instance_starting', 'instance_waiting'])
const pageRefreshSeconds = 3

const titles: Record<string, string> = {
  visit_required: 'Please sign in',
  ticket_unusable: 'This link was used already',
  instance_stopped: 'Your OpenClaw is stopped',
  instance_starting: 'Your OpenClaw is starting',
  instance_waiting: 'Your OpenClaw waits for a machine',
  instance_asleep: 'Your OpenClaw sleeps',
  instance_failed: 'Your OpenClaw does not run',
  credits_exhausted: 'There are not enough credits',
  budget_exhausted: 'A budget is spent',
  instance_unreachable: 'Your OpenClaw does not answer',
}

/** Whether a person is looking: a browser that navigates, and not a script or another program. */
export function isNavigation(exchange: Exchange): boolean {
  if (exchange.kind !== 'ui' && exchange.kind !== 'enter') return false
  const mode = header(exchange.head, 'sec-fetch-mode')
  return mode === undefined
    ? (header(exchange.head, 'accept')?.includes('text/html') ?? false)
    : mode === 'navigate'
}

/** Answers on a socket that has no response object: after a parser error, or instead of an upgrade. */
export function refuseOnSocket(
  socket: Socket | Duplex,
  refusal: Refusal,
  requestId: string | undefined,
): void {
  if (socket.destroyed || !socket.writable) {
    socket.destroy()
    return
  }
  const { status, headers, body } = renderRefusal(refusal, false, '')
  const all = [...headers, 'connection', 'close', ...(requestId ? ['x-request-id', requestId] : [])]
  socket.end(`${headText(status, all)}${body}`)
  // A peer that does not close its own side must not keep the socket.
  setTimeout(() => socket.destroy(), 1_000).unref()
}

export function headText(status: number, headers: readonly string[]): string {
  let text = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Unknown'}\r\n`
  for (let index = 0; index < headers.length; index += 2)
    text += `${headers[index]}: ${headers[index + 1]}\r\n`
  return `${text}\r\n`
}
