import type { IncomingMessage } from 'node:http'
import type { Exchange } from './exchange.ts'
import type { Framing } from './framing.ts'
import { Refusal } from './refusal.ts'

/** What a client sends, given to the upstream as it comes or, when it is small, all at once. */
export interface Body {
  /** For one attempt: all of it, each time, while `canOpen`. */
  open(): null | Buffer | AsyncIterable<Buffer>
  /** False once an upstream has taken more than is kept for another attempt. */
  canOpen(): boolean
  /** There will be no other attempt. */
  release(): void
  /** Length of a body that is streamed, where the client told it. */
  streamedBytes: number | undefined
}

export interface BodyLimits {
  bodyBytesMax: number
  /** A client that sends nothing for so long, while it is its turn, is given up on. */
  uploadStallSeconds: number
}

/**
 * What is kept of a longer one for another attempt. An upstream that refuses does so as soon as it has seen the head, so
 * little was sent to it by then.
 */
const keptBytesMax = 1024 * 1024

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

  /** The client's bytes, once. */
  async function* read(exchange: Exchange): AsyncGenerator<Buffer> {
    let bytes = 0
    // Destroying the request would take the client's socket with it, and the answer too.
    for await (const chunk of exchange.request.iterator({ destroyOnReturn: false })) {
      bytes += (chunk as Buffer).length
      if (bytes > limits.bodyBytesMax) {
        exchange.refusal = tooLarge(limits.bodyBytesMax)
        throw exchange.refusal
      }
      yield chunk as Buffer
    }
  }

  const watchStream = (exchange: Exchange): (() => void) =>
    watch(exchange.request, () => {
      exchange.refusal = stalledUpload()
      exchange.abortUpstream?.(exchange.refusal)
    })

  return {
    open: (exchange, framing) => {
      if (framing.kind === 'none') return wholeBody(null)
      if (framing.kind === 'length' && framing.bytes > limits.bodyBytesMax)
        throw tooLarge(limits.bodyBytesMax)
      if (framing.kind === 'length' && framing.bytes <= bufferedBytesMax)
        return collect(exchange).then(wholeBody)
      return {
        ...repeatable(read(exchange), () => watchStream(exchange)),
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

function wholeBody(buffer: Buffer | null): Body {
  return { open: () => buffer, canOpen: () => true, release: () => undefined, streamedBytes: undefined }
}

/**
 * Remembers the beginning of what can be read once only, so that the next attempt gets all of it. `watch` looks after the
 * client while an attempt reads from it.
 */
function repeatable(source: AsyncGenerator<Buffer>, watch: () => () => void): Omit<Body, 'streamedBytes'> {
  let taken: Buffer[] | undefined = []
  let takenBytes = 0
  /** The attempt before: what it still waits for belongs to the next one. */
  let before = Promise.resolve()
  let attempts = 0

  const endIfUnused = (): void => {
    if (taken === undefined && attempts === 0) source.return(undefined).catch(() => undefined)
  }
  const keep = (chunk: Buffer): void => {
    takenBytes += chunk.length
    if (takenBytes > keptBytesMax) taken = undefined
    else taken?.push(chunk)
  }

  async function* open(): AsyncGenerator<Buffer> {
    const earlier = before
    const over = Promise.withResolvers<void>()
    before = over.promise
    attempts += 1
    const stop = watch()
    try {
      await earlier
      yield* [...(taken ?? [])]
      for (let next = await source.next(); !next.done; next = await source.next()) {
        keep(next.value)
        yield next.value
      }
    } finally {
      stop()
      attempts -= 1
      over.resolve()
      endIfUnused()
    }
  }

  return {
    open,
    canOpen: () => taken !== undefined,
    release: () => {
      taken = undefined
      endIfUnused()
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
