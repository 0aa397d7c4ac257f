import type { IncomingMessage, RequestOptions, request as requestHttp, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { passedHeaders } from './headers.ts'
import { answerOnSocket, headText } from './http-answer.ts'
import { splice } from './splice.ts'

/** How a request is opened; `node:http` or `node:https` with whatever says where to. */
export type Open = (options: RequestOptions) => ReturnType<typeof requestHttp>

export interface ExchangeOptions {
  open: Open
  path: string
  /** Without Content-Length and Transfer-Encoding. */
  headers: string[]
  /** What to answer when the server cannot be reached or breaks off before it answers. */
  unreachable: string
}

const bodyHeaders = new Set(['content-length'])

/** Sends a request on and streams the answer back. Whoever goes away takes the other end with it. */
export function exchange(request: IncomingMessage, response: ServerResponse, options: ExchangeOptions): void {
  const { 'content-length': length, 'transfer-encoding': encoding } = request.headers
  const headers = [...options.headers]
  if (encoding !== undefined) headers.push('transfer-encoding', 'chunked')
  else if (length !== undefined) headers.push('content-length', length)
  const upstream = options.open({ method: request.method ?? 'GET', path: options.path, headers })
  response.once('close', () => upstream.destroy())
  upstream.once('response', (answer) => {
    const withoutBody = request.method === 'HEAD' || answer.statusCode === 304
    const passed = passedHeaders(answer.rawHeaders, withoutBody ? undefined : bodyHeaders)
    const bytes = answer.headers['content-length']
    if (!withoutBody && bytes !== undefined) passed.push('content-length', bytes)
    response.writeHead(answer.statusCode ?? 502, passed)
    // An event stream's client wants to know at once that it is connected.
    if (bytes === undefined) response.flushHeaders()
    answer.pipe(response)
    answer.once('error', () => response.destroy())
    answer.once('close', () => {
      if (!answer.complete) response.destroy()
    })
  })
  upstream.on('error', () => {
    if (response.headersSent || response.destroyed) response.destroy()
    else answerText(response, 502, options.unreachable)
  })
  request.pipe(upstream)
}

export function answerText(response: ServerResponse, status: number, message: string): void {
  const body = `${message}\n`
  response.writeHead(status, {
    'content-type': 'text/plain; charset=utf-8',
    'content-length': Buffer.byteLength(body),
  })
  response.end(body)
  // What is left of the request's body is read and thrown away, or the client may never read the answer.
  response.req.resume()
}

/** The same for a WebSocket's handshake: a refusal is passed on as the answer that it is. */
export function exchangeUpgrade(
  client: Socket,
  request: IncomingMessage,
  early: Buffer,
  options: ExchangeOptions & { handshakeSeconds: number; idleSeconds: number; onEnd?: () => void },
): void {
  const upstream = options.open({
    method: 'GET',
    path: options.path,
    headers: [...options.headers, 'connection', 'Upgrade', 'upgrade', request.headers.upgrade ?? ''],
  })
  const leave = (): void => {
    upstream.destroy()
  }
  const settle = (): void => {
    clearTimeout(timer)
    client.off('close', leave)
  }
  const timer = setTimeout(leave, options.handshakeSeconds * 1000)
  client.once('close', leave)
  upstream.once('upgrade', (answer, server: Socket, first) => {
    settle()
    const headers = [...passedHeaders(answer.rawHeaders), 'connection', 'Upgrade']
    client.write(headText(101, [...headers, 'upgrade', answer.headers.upgrade ?? '']), 'latin1')
    if (first.length > 0) client.write(first)
    if (early.length > 0) server.write(early)
    splice(client, server, options)
  })
  upstream.once('response', (answer) => {
    settle()
    options.onEnd?.()
    client.write(
      headText(answer.statusCode ?? 502, [...passedHeaders(answer.rawHeaders), 'connection', 'close']),
    )
    answer.pipe(client)
    answer.once('error', () => client.destroy())
    client.once('close', () => answer.destroy())
  })
  upstream.on('error', () => {
    settle()
    options.onEnd?.()
    answerOnSocket(client, 502, options.unreachable)
  })
  upstream.end()
}
