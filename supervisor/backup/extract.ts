import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { chmod, lstat, mkdir, rm, symlink, utimes } from 'node:fs/promises'
import { dirname, join, relative, resolve, sep } from 'node:path'
import { type Readable, Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createZstdDecompress, constants as zlib } from 'node:zlib'
import { extract as createExtract } from 'tar-stream'
import { z } from 'zod'
import { ageDecryption } from './age.ts'
import { type ArchiveHeader, counting, headerName } from './archive.ts'
import type { Manifest } from './manifest.ts'
import { configName } from './places.ts'

type Untar = ReturnType<typeof createExtract>
type Entry = Untar extends AsyncIterable<infer One> ? One : never

const headerSchema = z.object({
  format: z.literal(1),
  slotDirectory: z.string(),
  removed: z.array(z.string()),
})
const headerBytesMax = 4 * 1024 * 1024
/** The writer's and a little: a frame that asks for more memory was not written by us. */
const windowLogMax = 22
/** What a restore may write; everything else of a slot's directory is the supervisor's own. */
const roots = ['state', 'workspace', configName]

/** A backup that is not what its manifest says. Nothing of the instance was touched. */
export class ArchiveRefused extends Error {
  override readonly name = 'ArchiveRefused'
}

/**
 * Takes encrypted bytes to a file of their own and compares them with the manifest: what was changed, cut short or
 * exchanged is refused here, before a single byte is decrypted.
 */
export async function receiveStored(body: Readable, path: string, manifest: Manifest): Promise<void> {
  const counted = counting()
  const limit = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      if (counted.bytes() > manifest.stored.bytes)
        done(new ArchiveRefused('The backup is longer than its manifest says.'))
      else done(null, chunk)
    },
  })
  await pipeline(body, counted.stream, limit, createWriteStream(path, { mode: 0o600 }))
  const sums = counted.sums()
  if (sums.bytes !== manifest.stored.bytes)
    throw new ArchiveRefused(`The backup is ${sums.bytes} bytes long and should be ${manifest.stored.bytes}.`)
  if (sums.sha256 !== manifest.stored.sha256)
    throw new ArchiveRefused('The backup was changed: its digest is not the one of its manifest.')
}

/**
 * Decrypts and unpacks into `directory`, over what is there already, and checks every file against the manifest.
 * Throws `ArchiveRefused` for a wrong key and for anything that is not as it was written.
 */
export async function extractArchive(
  storedPath: string,
  directory: string,
  identity: string,
  manifest: Manifest,
): Promise<ArchiveHeader> {
  const decryption = await ageDecryption(storedPath, identity).catch((error: unknown) => {
    throw new ArchiveRefused(`The backup does not open with this key: ${messageOf(error)}`)
  })
  const content = counting()
  const untar = createExtract()
  const unpacked = unpack(untar, directory)
  unpacked.catch((error: unknown) => untar.destroy(error as Error))
  const reading = pipeline(
    createReadStream(storedPath, { start: decryption.start }),
    decryption.stream,
    createZstdDecompress({ params: { [zlib.ZSTD_d_windowLogMax]: windowLogMax } }),
    content.stream,
    untar,
  )
  const [written, read] = await Promise.allSettled([unpacked, reading])
  if (written.status === 'rejected') throw refusalOf(written.reason)
  if (read.status === 'rejected') throw refusalOf(read.reason)
  const sums = content.sums()
  const { header, count, digest } = written.value
  if (sums.bytes !== manifest.content.bytes || sums.sha256 !== manifest.content.sha256)
    throw new ArchiveRefused('What is in the backup is not what its manifest says.')
  if (count !== manifest.files.count || digest !== manifest.files.digest)
    throw new ArchiveRefused('The files of the backup are not those that its manifest counts.')
  return header
}

function refusalOf(error: unknown): Error {
  return error instanceof ArchiveRefused || (error as { code?: string }).code === 'ENOSPC'
    ? (error as Error)
    : new ArchiveRefused(`The backup cannot be read: ${messageOf(error)}`)
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

async function unpack(untar: Untar, directory: string) {
  const files = createHash('sha256')
  let header: ArchiveHeader | undefined
  let count = 0
  for await (const entry of untar) {
    if (!header) {
      header = await readHeader(entry)
      await mkdir(directory, { recursive: true, mode: 0o700 })
      for (const name of header.removed) await remove(directory, target(directory, name))
      continue
    }
    const { name, type, size = 0, mode = 0o600, linkname, mtime } = entry.header
    const path = target(directory, name)
    await makeParents(directory, path)
    if (type === 'directory') await makeDirectory(path, mode)
    else if (type === 'symlink') {
      await rm(path, { recursive: true, force: true })
      await symlink(linkname ?? '', path)
    } else if (type === 'file') {
      const sha256 = await writeFile(entry, path, mode)
      if (mtime) await utimes(path, mtime, mtime)
      files.update(`${JSON.stringify(name)} ${size} ${sha256}\n`)
      count += 1
    } else throw new ArchiveRefused(`${name} is of a kind (${type}) that no backup holds.`)
    entry.resume()
  }
  if (!header) throw new ArchiveRefused('The backup is empty.')
  return { header, count, digest: files.digest('hex') }
}

async function readHeader(entry: Entry): Promise<ArchiveHeader> {
  if (entry.header.name !== headerName || (entry.header.size ?? 0) > headerBytesMax)
    throw new ArchiveRefused('The backup does not begin as Reef’s backups do.')
  let text = ''
  for await (const chunk of entry as AsyncIterable<Buffer>) text += chunk.toString()
  return headerSchema.parse(JSON.parse(text))
}

/** Below one of the known roots and nowhere else, whatever the archive says. */
function target(directory: string, name: string): string {
  const path = resolve(directory, name)
  const [root] = relative(directory, path).split(sep)
  if (name.startsWith('/') || name.includes('\0') || root === undefined || !roots.includes(root))
    throw new ArchiveRefused(`${JSON.stringify(name)} does not belong into a backup.`)
  return path
}

/** Never through a link that the archive itself has brought: it could lead out of the directory. */
async function makeParents(directory: string, path: string): Promise<void> {
  for (const parent of parentsOf(directory, path)) {
    const kind = await kindOf(parent)
    if (kind === 'directory') continue
    if (kind === 'other')
      throw new ArchiveRefused(`${JSON.stringify(path)} leads through something that is no directory.`)
    await mkdir(parent, { mode: 0o700 })
  }
}

/** What lies behind a link or a file is not in the backup, so that there is nothing to remove. */
async function remove(directory: string, path: string): Promise<void> {
  for (const parent of parentsOf(directory, path)) if ((await kindOf(parent)) !== 'directory') return
  await rm(path, { recursive: true, force: true })
}

/** In place of a file or a link of the base that has become a directory since. */
async function makeDirectory(path: string, mode: number): Promise<void> {
  if ((await kindOf(path)) === 'other') await rm(path, { force: true })
  await mkdir(path, { recursive: true, mode })
}

/** Below `directory`, the outermost first. */
function parentsOf(directory: string, path: string): string[] {
  const parts = relative(directory, dirname(path)).split(sep).filter(Boolean)
  return parts.map((_part, index) => join(directory, ...parts.slice(0, index + 1)))
}

/** A link is not what it leads to. */
async function kindOf(path: string): Promise<'directory' | 'other' | 'nothing'> {
  const found = await lstat(path).catch(() => undefined)
  if (!found) return 'nothing'
  return found.isDirectory() ? 'directory' : 'other'
}

async function writeFile(entry: Entry, path: string, mode: number): Promise<string> {
  const hash = createHash('sha256')
  // What is there, be it a link, is replaced and never written through.
  await rm(path, { recursive: true, force: true })
  const digesting = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk)
      done(null, chunk)
    },
  })
  await pipeline(entry, digesting, createWriteStream(path, { flags: 'wx', mode: 0o600 }))
  await chmod(path, mode & 0o777)
  return hash.digest('hex')
}
