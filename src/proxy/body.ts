import type { IncomingMessage } from 'node:http'
import type { Exchange } from './exchange.ts'
import type { Framing } from './framing.ts'
import { Refusal } from './refusal.ts'

/** What a client sends, given to the upstream as it comes or, when it is small, all at once. */
export interface Body {
  /** For one attempt. One that never reached the upstream has not touched the client's bytes, so the next can. */
  open(): null | Buffer | AsyncIterable<Buffer>
  /** Length of a body that is streamed, where the client told it. */
  streamedBytes: number | undefined
}

export interface BodyLimits {
  bodyBytesMax: number
  /** A client that sends nothing for so long, while it is its turn, is given up on. */
  uploadStallSeconds: number
}

/** Most prompts. Read whole before the upstream is dialled, so that a slow sender occupies nothing but itself. */
const bufferedBytesMax = 64 * 1024

export interface Uploads {
  /** What the client sends, refused with 413 when it is too large and with 408 when it stalls. */
  open(exchange: Exchange, framing: Framing): Body | Promise<Body>
  /** Gives up on those that stall. Called about once a second. */
  sweep(): void
}

interface Watched {
  request: IncomingMessage
  bytesRead: number
  since: number
  stalled: () => void
}

export function createUploads(limits: BodyLimits): Uploads {
  const watched = new Set<Watched>()

  const watch = (request: IncomingMessage, stalled: () => void): (() => void) => {
    const entry = { request, bytesRead: request.socket.bytesRead, since: performance.now(), stalled }
    watched.add(entry)
    return () => watched.delete(entry)
  }

  const collect = (exchange: Exchange): Promise<Buffer> =>
    new Promise((done, fail) => {
      const { request } = exchange
      const chunks: Buffer[] = []
      const stop = watch(request, () => finish(() => fail(stalledUpload())))
      const finish = (settle: () => void): void => {
        stop()
        request.removeAllListeners('data')
        settle()
      }
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.once('end', () => finish(() => done(Buffer.concat(chunks))))
      request.once('close', () => finish(() => fail(new Error('the client went away'))))
    })

  async function* stream(exchange: Exchange): AsyncGenerator<Buffer> {
    const { request } = exchange
    const refuse = (refusal: Refusal): void => {
      exchange.refusal = refusal
      exchange.abortUpstream?.(refusal)
    }
    const stop = watch(request, () => refuse(stalledUpload()))
    let bytes = 0
    try {
      // Destroying the request would take the client's socket with it, and the answer too.
      for await (const chunk of request.iterator({ destroyOnReturn: false })) {
        bytes += (chunk as Buffer).length
        if (bytes > limits.bodyBytesMax) {
          exchange.refusal = tooLarge(limits.bodyBytesMax)
          throw exchange.refusal
        }
        yield chunk as Buffer
      }
    } finally {
      stop()
    }
  }

  return {
    open: (exchange, framing) => {
      if (framing.kind === 'none') return { open: () => null, streamedBytes: undefined }
      if (framing.kind === 'length' && framing.bytes > limits.bodyBytesMax)
        throw tooLarge(limits.bodyBytesMax)
      if (framing.kind === 'length' && framing.bytes <= bufferedBytesMax)
        return collect(exchange).then((buffer) => ({ open: () => buffer, streamedBytes: undefined }))
      return {
        open: () => stream(exchange),
        streamedBytes: framing.kind === 'length' ? framing.bytes : undefined,
      }
    },
    sweep: () => {
      const now = performance.now()
      for (const entry of watched) {
        const { bytesRead } = entry.request.socket
        // Bytes that wait to be read mean that the upstream is slow, and not the client.
        if (bytesRead !== entry.bytesRead || entry.request.readableLength > 0) {
          entry.bytesRead = bytesRead
          entry.since = now
        } else if (now - entry.since > limits.uploadStallSeconds * 1000) {
          watched.delete(entry)
          entry.stalled()
        }
      }
    },
  }
}

function tooLarge(bytesMax: number): Refusal {
  return new Refusal(
    413,
    'body_too_large',
    `The body is larger than ${Math.floor(bytesMax / 1024 / 1024)} MiB. Send less, or put large files into the workspace another way.`,
  )
}

function stalledUpload(): Refusal {
  return new Refusal(408, 'request_timeout', 'The body did not arrive in time. Send it again.')
}
