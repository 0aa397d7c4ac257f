import { Refusal } from './refusal.ts'
import { header, headerList, holdsToken, isRepeated, type RequestHead } from './request-head.ts'

/** How the body of a request is delimited. */
export type Framing = { kind: 'none' } | { kind: 'length'; bytes: number } | { kind: 'chunked' }

export interface RequestLine {
  method: string
  url: string
  httpVersion: string
}

const methods = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])
/** A body would have no meaning with these, and servers differ in whether they read it. */
const bodiless = new Set(['GET', 'HEAD', 'OPTIONS'])

/**
 * Refuses every request that two HTTP implementations could read differently, and says how the body of the others is
 * delimited. Node's strict parser has refused most of them before; this holds even where it is more forgiving.
 */
export function checkFraming(line: RequestLine, head: RequestHead): Framing {
  if (!methods.has(line.method))
    throw new Refusal(405, 'method_not_allowed', `The method ${line.method} is not served here.`)
  if (!line.url.startsWith('/'))
    throw malformed('The request target must be a path. Send it in origin form, beginning with a slash.')
  if (isRepeated(head, 'host') || isRepeated(head, 'content-length') || isRepeated(head, 'transfer-encoding'))
    throw malformed('Host, Content-Length and Transfer-Encoding may each come once only.')

  const length = header(head, 'content-length')
  const transferEncoding = header(head, 'transfer-encoding')
  if (transferEncoding !== undefined) {
    if (length !== undefined) throw malformed('Send Content-Length or Transfer-Encoding, but not both.')
    if (transferEncoding.toLowerCase() !== 'chunked' || line.httpVersion !== '1.1')
      throw malformed('The only transfer encoding served is chunked, over HTTP/1.1.')
    if (bodiless.has(line.method)) throw bodyRefused(line.method)
    return { kind: 'chunked' }
  }
  if (length === undefined) return { kind: 'none' }
  if (!/^\d{1,15}$/.test(length)) throw malformed('Content-Length must be a number of bytes.')
  const bytes = Number(length)
  if (bytes > 0 && bodiless.has(line.method)) throw bodyRefused(line.method)
  return bytes === 0 ? { kind: 'none' } : { kind: 'length', bytes }
}

/** Whether the request asks for a WebSocket; any other protocol to upgrade to is left unheard, as HTTP allows. */
export function asksForWebSocket(head: RequestHead): boolean {
  return (
    holdsToken(headerList(head, 'connection'), 'upgrade') &&
    holdsToken(headerList(head, 'upgrade'), 'websocket')
  )
}

/** Refuses a WebSocket handshake (RFC 6455, section 4.2.1) that is not exactly one. */
export function checkHandshake(line: RequestLine, head: RequestHead, framing: Framing): void {
  if (framing.kind !== 'none') throw malformed('A WebSocket handshake has no body.')
  if (line.method !== 'GET' || line.httpVersion !== '1.1' || headerList(head, 'upgrade')?.includes(','))
    throw malformed('A WebSocket handshake is a GET over HTTP/1.1 that names websocket alone.')
  if (header(head, 'sec-websocket-version') !== '13' || isRepeated(head, 'sec-websocket-version'))
    throw new Refusal(426, 'websocket_version', 'Only version 13 of the WebSocket protocol is served.')
  const key = header(head, 'sec-websocket-key')
  if (!key || !/^[A-Za-z0-9+/]{22}==$/.test(key) || isRepeated(head, 'sec-websocket-key'))
    throw malformed('A WebSocket handshake carries one Sec-WebSocket-Key of 16 bytes in base64.')
}

function bodyRefused(method: string): Refusal {
  return malformed(`A ${method} request has no body here. Use POST to send one.`)
}

function malformed(message: string): Refusal {
  return new Refusal(400, 'bad_request', message)
}
