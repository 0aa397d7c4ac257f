import { createHash, type Hash } from 'node:crypto'
import { PassThrough, type Readable, Transform, type TransformCallback } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createZstdCompress, constants as zlib } from 'node:zlib'
import { pack as createPack } from 'tar-stream'
import { ageEncryption } from './age.ts'

/**
 * One thing in a backup, by its path below the slot's directory. Bodies are streams of exactly `bytes` bytes: nothing
 * here ever holds a whole file.
 */
export type ArchiveEntry =
  | { kind: 'file'; path: string; bytes: number; mode: number; modifiedAt: Date; body: Readable }
  | { kind: 'link'; path: string; target: string }
  | { kind: 'directory'; path: string; mode: number }

/** Written before everything else; it says how to read what follows. */
export interface ArchiveHeader {
  format: 1
  /** Where the slot's directory was: settings that name paths below it are moved with it. */
  slotDirectory: string
  /** Of a checkpoint: paths of its base that are gone. */
  removed: string[]
}

export const headerName = 'reef-backup.json'

export interface ArchiveSums {
  stored: { bytes: number; sha256: string }
  content: { bytes: number; sha256: string }
  files: { count: number; digest: string }
}

/** Twice as fast as level 6, which saves two percent more: OpenClaw needs the processor for its turns. */
const compressionLevel = 3
/** 2^21 bytes: part of what bounds the memory of both ends. */
const windowLog = 21

/**
 * tar, zstd, age, in one pass: `deliver` gets the encrypted bytes as a stream, and what was written is counted and
 * digested on the way. Whatever fails, at either end, fails the whole and destroys the stream that `deliver` reads.
 */
export async function writeArchive(
  header: ArchiveHeader,
  entries: AsyncIterable<ArchiveEntry>,
  recipient: string,
  deliver: (stored: Readable) => Promise<void>,
): Promise<ArchiveSums> {
  const files = createHash('sha256')
  let count = 0
  const pack = createPack()
  const fill = async (): Promise<void> => {
    await addText(pack, headerName, JSON.stringify(header))
    for await (const entry of entries) {
      if (entry.kind !== 'file') {
        await addEmpty(pack, entry)
        continue
      }
      const sha256 = await addFile(pack, entry)
      files.update(`${JSON.stringify(entry.path)} ${entry.bytes} ${sha256}\n`)
      count += 1
    }
    pack.finalize()
  }

  const content = counting()
  const stored = counting()
  const compressed = createZstdCompress({
    params: { [zlib.ZSTD_c_compressionLevel]: compressionLevel, [zlib.ZSTD_c_windowLog]: windowLog },
  })
  const encryption = await ageEncryption(recipient)
  const out = new PassThrough()
  const controller = new AbortController()
  const { signal } = controller
  const writing = pipeline(pack, content.stream, compressed, encryption, stored.stream, out, { signal })
  const filling = fill().catch((error: unknown) => {
    pack.destroy(error as Error)
    throw error
  })
  try {
    await allOrAbort([filling, writing, deliver(out)], controller)
  } finally {
    out.destroy()
  }
  return { stored: stored.sums(), content: content.sums(), files: { count, digest: files.digest('hex') } }
}

/** The first failure is the reason; the others only follow from it. */
async function allOrAbort(work: Promise<unknown>[], controller: AbortController): Promise<void> {
  let reason: unknown
  let failed = false
  await Promise.allSettled(
    work.map((one) =>
      one.catch((error: unknown) => {
        if (!failed) reason = error
        failed = true
        controller.abort()
      }),
    ),
  )
  if (failed) throw reason
}

type Pack = ReturnType<typeof createPack>

async function addText(pack: Pack, name: string, text: string): Promise<void> {
  await new Promise<void>((done, fail) => {
    pack.entry({ name, mode: 0o600 }, text, (error) => (error ? fail(error) : done()))
  })
}

async function addEmpty(pack: Pack, entry: Exclude<ArchiveEntry, { kind: 'file' }>): Promise<void> {
  const header =
    entry.kind === 'link'
      ? { name: entry.path, type: 'symlink' as const, linkname: entry.target }
      : { name: entry.path, type: 'directory' as const, mode: entry.mode }
  await new Promise<void>((done, fail) => {
    pack.entry(header, (error) => (error ? fail(error) : done()))
  })
}

async function addFile(pack: Pack, entry: Extract<ArchiveEntry, { kind: 'file' }>): Promise<string> {
  const hash = createHash('sha256')
  const written = Promise.withResolvers<void>()
  const sink = pack.entry(
    { name: entry.path, size: entry.bytes, mode: entry.mode, mtime: entry.modifiedAt },
    (error) => (error ? written.reject(error) : written.resolve()),
  )
  // Awaited below; a failure of the loop must not leave it unhandled.
  written.promise.catch(() => undefined)
  let left = entry.bytes
  for await (const chunk of entry.body as AsyncIterable<Buffer>) {
    // One that grew meanwhile is cut at the size that its header says; one that shrank is filled up below.
    const part = chunk.subarray(0, left)
    left -= part.length
    hash.update(part)
    if (part.length > 0 && !sink.write(part)) await drained(sink)
    if (left === 0) break
  }
  entry.body.destroy()
  if (left > 0) throw new Error(`${entry.path} became shorter while it was read.`)
  // The types ask for an argument that streams do not need.
  sink.end(undefined)
  await written.promise
  return hash.digest('hex')
}

function drained(sink: NodeJS.EventEmitter): Promise<void> {
  return new Promise((done, fail) => {
    const settle = (work: () => void) => () => {
      sink.off('drain', onDrain)
      sink.off('close', onClose)
      work()
    }
    const onDrain = settle(done)
    const onClose = settle(() => fail(new Error('The archive was given up.')))
    sink.on('drain', onDrain)
    sink.on('close', onClose)
  })
}

/** Counts and digests what passes. */
export function counting(): {
  stream: Transform
  bytes(): number
  sums(): { bytes: number; sha256: string }
} {
  const hash: Hash = createHash('sha256')
  let bytes = 0
  return {
    stream: new Transform({
      transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback) {
        bytes += chunk.length
        hash.update(chunk)
        done(null, chunk)
      },
    }),
    bytes: () => bytes,
    sums: () => ({ bytes, sha256: hash.digest('hex') }),
  }
}
