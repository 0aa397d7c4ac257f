import { Readable } from 'node:stream'
import type { ReadableStream } from 'node:stream/web'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Desired } from '../protocol.ts'

/** What this slot fetches from the control plane and delivers to it, with its own key. */
export interface ControlClient {
  /** Throws a `ControlRefused` with what the control plane says against it. */
  call(method: 'GET' | 'POST', path: string, body?: object): Promise<unknown>
  /** Delivers a stream in parts, each sent again until it has arrived. */
  deliver(path: string, body: Readable): Promise<void>
  fetch(path: string): Promise<Readable>
}

export class ControlRefused extends Error {
  override readonly name = 'ControlRefused'
  readonly status: number
  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

/** Small enough to arrive within the control plane's 30 seconds over a slow line; two are held in memory, and copies. */
const partBytes = 1024 * 1024
const answerMs = 60_000
const attemptsMax = 5
const standardRetryMs = 500

export function createControlClient(
  readSlot: () => { origin: string; slot: NonNullable<Desired['slot']> },
  /** Tests shorten it. */
  retryMs = standardRetryMs,
): ControlClient {
  async function request(
    method: string,
    path: string,
    body?: string | Uint8Array<ArrayBuffer>,
    type?: string,
  ): Promise<Response> {
    const { origin, slot } = readSlot()
    const response = await fetch(new URL(slot.baseUrl + path, origin), {
      method,
      headers: {
        authorization: `Bearer ${slot.apiKey}`,
        ...(type === undefined ? {} : { 'content-type': type }),
      },
      ...(body === undefined ? {} : { body }),
      ...(method === 'GET' ? {} : { signal: AbortSignal.timeout(answerMs) }),
    })
    if (response.ok) return response
    throw new ControlRefused(response.status, await messageOf(response))
  }

  /** Every route behind this may be called twice: what was lost is the answer or the question, and nobody knows which. */
  async function persistently(work: () => Promise<Response>): Promise<Response> {
    for (let attempt = 1; ; attempt++)
      try {
        return await work()
      } catch (error) {
        const final = error instanceof ControlRefused && error.status < 500
        if (final || attempt === attemptsMax) throw error
        await sleep(retryMs * 2 ** attempt)
      }
  }

  return {
    async call(method, path, body) {
      const text = body === undefined ? undefined : JSON.stringify(body)
      const response = await persistently(() =>
        request(method, path, text, text === undefined ? undefined : 'application/json'),
      )
      return response.json()
    },
    async deliver(path, body) {
      let offset = 0
      for await (const part of inParts(body)) {
        await persistently(() =>
          request('PUT', `${path}?offset=${offset}`, part, 'application/octet-stream').then(
            async (response) => {
              await response.body?.cancel()
              return response
            },
          ),
        )
        offset += part.length
      }
    },
    async fetch(path) {
      const response = await persistently(() => request('GET', path))
      // The types of the two web stream declarations differ; the objects are the same.
      return Readable.fromWeb(response.body as unknown as ReadableStream)
    },
  }
}

async function messageOf(response: Response): Promise<string> {
  const text = await response.text().catch(() => '')
  try {
    return (JSON.parse(text) as { error: { message: string } }).error.message
  } catch {
    return `The control plane answered ${response.status}.`
  }
}

/** In two buffers by turns: an attempt that was given up may still be at one when the next part is filled. */
async function* inParts(body: Readable): AsyncIterable<Uint8Array<ArrayBuffer>> {
  const buffers = [Buffer.allocUnsafeSlow(partBytes), Buffer.allocUnsafeSlow(partBytes)] as const
  let part: Buffer<ArrayBuffer> = buffers[0]
  let filled = 0
  for await (const chunk of body as AsyncIterable<Buffer>) {
    let at = 0
    while (at < chunk.length) {
      const copied = chunk.copy(part, filled, at)
      filled += copied
      at += copied
      if (filled < partBytes) continue
      yield part
      part = part === buffers[0] ? buffers[1] : buffers[0]
      filled = 0
    }
  }
  if (filled > 0) yield part.subarray(0, filled)
}
