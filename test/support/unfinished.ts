import { once } from 'node:events'
import { type ClientRequest, type IncomingMessage, request as requestHttp } from 'node:http'

export interface Unfinished {
  readonly request: ClientRequest
  /** Of an answer that came though the body did not. */
  readonly answer: Promise<IncomingMessage>
}

/** Sends the head of a request and the first byte of its body, and then nothing. */
export async function sendUnfinished(
  url: string,
  options: { method: string; headers: Record<string, string>; bytes: number },
): Promise<Unfinished> {
  const request = requestHttp(url, {
    method: options.method,
    headers: { ...options.headers, 'content-length': options.bytes },
    agent: false,
  })
  request.on('error', () => undefined)
  const answer = once(request, 'response').then(([response]) => response as IncomingMessage)
  answer.catch(() => undefined)
  await new Promise((done) => request.write('{', done))
  return { request, answer }
}
