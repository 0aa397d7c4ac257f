import { createHash, randomUUID } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import {
  BlobDiffers,
  type BlobInfo,
  BlobMissing,
  type BlobStore,
  type BlobSums,
  DraftGap,
  type DraftStore,
  requireKey,
  requireSums,
} from '../../domain/backups/blob-store.ts'

/** Not a valid key, so that what is not published is never listed. */
const draftsName = '.drafts'

/** Blobs as files below a directory: written beside, flushed, renamed. */
export function openLocalDisk(directory: string): BlobStore & DraftStore {
  const pathOf = (key: string) => join(directory, requireKey(key))
  const draftPath = (draft: string) => join(directory, draftsName, requireKey(draft))

  async function publishFile(draft: string, key: string): Promise<void> {
    const path = pathOf(key)
    await makeDurable(directory, dirname(path))
    await rename(draft, path)
    await flushDirectory(dirname(path))
  }

  return {
    name: `local disk (${directory})`,

    async put(key, body, expected) {
      const draft = draftPath(randomUUID())
      await makeDirectory(dirname(draft))
      const sums = summing()
      try {
        await pipeline(body, sums.stream, createWriteStream(draft, { mode: 0o600, flush: true }))
        requireSums(sums.sums(), expected)
        await publishFile(draft, key)
      } catch (error) {
        await rm(draft, { force: true })
        throw error
      }
    },

    async get(key) {
      const file = await openIfThere(pathOf(key))
      if (!file) throw new BlobMissing(key)
      return file.createReadStream()
    },

    list: (prefix) => listFiles(directory, prefix),

    async delete(key) {
      await rm(pathOf(key), { force: true })
    },

    async removeAbandoned(olderThan) {
      for (const name of await namesIn(join(directory, draftsName))) {
        const path = join(directory, draftsName, name)
        const found = await stat(path).catch(() => undefined)
        if (found && found.mtime < olderThan) await rm(path, { force: true })
      }
    },

    async append(draft, offset, part) {
      const path = draftPath(draft)
      await makeDirectory(dirname(path))
      const file = await open(path, offset === 0 ? 'w' : 'r+', 0o600).catch(
        (error: NodeJS.ErrnoException) => {
          throw error.code === 'ENOENT' ? new DraftGap('The parts before this one are not here.') : error
        },
      )
      try {
        if ((await file.stat()).size < offset) throw new DraftGap('A part before this one is missing.')
        await file.truncate(offset)
        await file.write(part, 0, part.length, offset)
        return offset + part.length
      } finally {
        await file.close()
      }
    },

    async publish(draft, key, expected) {
      const path = draftPath(draft)
      const file = await openIfThere(path)
      if (!file) throw new BlobDiffers('Nothing of it has arrived.')
      try {
        await file.datasync()
        const hash = createHash('sha256')
        let bytes = 0
        for await (const chunk of createReadStream(path)) {
          hash.update(chunk)
          bytes += chunk.length
        }
        requireSums({ bytes, sha256: hash.digest('hex') }, expected)
      } finally {
        await file.close()
      }
      await publishFile(path, key)
    },

    async discard(draft) {
      await rm(draftPath(draft), { force: true })
    },
  }
}

function summing(): { stream: Transform; sums(): BlobSums } {
  const hash = createHash('sha256')
  let bytes = 0
  return {
    stream: new Transform({
      transform(chunk: Buffer, _encoding, done) {
        bytes += chunk.length
        hash.update(chunk)
        done(null, chunk)
      },
    }),
    sums: () => ({ bytes, sha256: hash.digest('hex') }),
  }
}

async function* listFiles(directory: string, prefix: string): AsyncIterable<BlobInfo> {
  const walk = async function* (path: string): AsyncIterable<BlobInfo> {
    for (const entry of (await entriesIn(join(directory, path))).sort((a, b) => (a.name < b.name ? -1 : 1))) {
      if (entry.name.startsWith('.')) continue
      const key = path === '' ? entry.name : `${path}/${entry.name}`
      if (entry.isDirectory()) {
        if (`${key}/`.startsWith(prefix) || prefix.startsWith(`${key}/`)) yield* walk(key)
      } else if (key.startsWith(prefix)) {
        const found = await stat(join(directory, key)).catch(() => undefined)
        if (found) yield { key, bytes: found.size, modifiedAt: found.mtime }
      }
    }
  }
  yield* walk('')
}

async function entriesIn(path: string) {
  return readdir(path, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
}

async function namesIn(path: string): Promise<string[]> {
  return (await entriesIn(path)).map((entry) => entry.name)
}

async function openIfThere(path: string): Promise<FileHandle | undefined> {
  return open(path, 'r').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
}

async function makeDirectory(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 })
}

/** A new directory is there after a power cut only when the one above it was flushed. */
async function makeDurable(root: string, path: string): Promise<void> {
  const made = await mkdir(path, { recursive: true, mode: 0o700 })
  if (made === undefined) return
  for (let current = path; current.length >= root.length; current = dirname(current))
    await flushDirectory(current)
}

async function flushDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}
