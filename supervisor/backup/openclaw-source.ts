import { createReadStream, existsSync } from 'node:fs'
import { mkdir, rm, stat } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { extract as createExtract } from 'tar-stream'
import { z } from 'zod'
import type { ArchiveEntry } from './archive.ts'
import { nameOf, placeOf, type SlotPlaces } from './places.ts'
import { isSidecar, isSqlite, snapshotSqlite } from './sqlite.ts'

const resultSchema = z.looseObject({
  archivePath: z.string(),
  archiveRoot: z.string(),
  verified: z.literal(true),
  assets: z.array(z.looseObject({ kind: z.string(), sourcePath: z.string(), archivePath: z.string() })),
})

export interface OpenClawBackup {
  entries: AsyncIterable<ArchiveEntry>
  /** What OpenClaw saved that does not lie in the slot's directory, and so cannot be put back by a restore. */
  outside: string[]
  remove(): Promise<void>
}

interface ArchivedAsset {
  archive: string
  path: string
}

/** Runs `openclaw ARGUMENTS` to its end and answers what it wrote. */
export type RunOpenClaw = (argv: string[]) => Promise<{ code: number | null; output: string }>

/**
 * OpenClaw's own consistent, verified backup of its live state, as entries by their paths below the slot's directory:
 * its archive names the absolute paths of this machine, which are others on the next.
 */
export async function takeOpenClawBackup(
  run: RunOpenClaw,
  slot: SlotPlaces,
  scratch: string,
): Promise<OpenClawBackup> {
  await rm(scratch, { recursive: true, force: true })
  await mkdir(scratch, { recursive: true, mode: 0o700 })
  const remove = () => rm(scratch, { recursive: true, force: true })
  try {
    const { code, output } = await run(['backup', 'create', '--verify', '--json', '--output', scratch])
    const result = resultSchema.safeParse(parseObject(output))
    if (code !== 0 || !result.success)
      throw new Error(
        `OpenClaw could not back up its state: ${output.trim().slice(-500) || `exit code ${code}`}`,
      )
    const { archivePath, assets } = result.data
    const { slotDirectory } = slot
    const places = assets.map((asset) => ({
      archive: asset.archivePath,
      path: nameOf(slot, relative(slotDirectory, asset.sourcePath)),
    }))
    const inside = places.filter(({ path }) => path !== '' && !path.startsWith('..'))
    return {
      entries: readEntries(archivePath, inside, slot, scratch),
      outside: assets
        .map((asset) => asset.sourcePath)
        .filter((path) => relative(slotDirectory, path).startsWith('..')),
      remove,
    }
  } catch (error) {
    await remove()
    throw error
  }
}

async function* readEntries(
  archivePath: string,
  assets: ArchivedAsset[],
  slot: SlotPlaces,
  scratch: string,
): AsyncIterable<ArchiveEntry> {
  const untar = createExtract()
  const source = createReadStream(archivePath)
  const gunzip = createGunzip()
  const fail = (error: Error) => untar.destroy(error)
  source.on('error', fail).pipe(gunzip).on('error', fail).pipe(untar)
  try {
    for await (const entry of untar) {
      const { name, type, size = 0, mode = 0o600, mtime, linkname } = entry.header
      const path = pathOf(name, assets)
      if (path !== undefined && !(type === 'file' && (await isSidecar(placeOf(slot, path))))) {
        const copied = type === 'file' ? await copyForeignDatabase(slot, path, scratch) : undefined
        if (copied) yield copied
        else if (type === 'file')
          yield {
            kind: 'file',
            path,
            bytes: size,
            mode,
            modifiedAt: mtime ?? new Date(0),
            body: Readable.from(entry, { objectMode: false }),
          }
        else if (type === 'symlink') yield { kind: 'link', path, target: linkname ?? '' }
        else if (type === 'directory') yield { kind: 'directory', path, mode }
      }
      entry.resume()
    }
  } finally {
    source.destroy()
  }
}

/**
 * OpenClaw copies databases that are not its own byte by byte, and what is committed may lie in the journal beside one,
 * which a backup leaves out. Where there is such a journal the database is copied as SQLite would have it.
 */
async function copyForeignDatabase(
  slot: SlotPlaces,
  path: string,
  scratch: string,
): Promise<ArchiveEntry | undefined> {
  const live = placeOf(slot, path)
  if (ownDatabase.test(path) || !existsSync(`${live}-wal`) || !(await isSqlite(live))) return undefined
  const copy = join(scratch, 'foreign.sqlite')
  await rm(copy, { force: true })
  await snapshotSqlite(live, copy)
  const { size, mode, mtime } = await stat(copy)
  const shared = { kind: 'file', path, bytes: size, mode: mode & 0o777, modifiedAt: mtime } as const
  return { ...shared, body: createReadStream(copy) }
}

/** Those that OpenClaw itself copies consistently, and cleans of what only the running gateway needs. */
const ownDatabase = /(^|\/)openclaw[^/]*\.sqlite$/

/** By the name that it has in every backup; undefined for what lies elsewhere. */
function pathOf(name: string, assets: ArchivedAsset[]): string | undefined {
  const plain = name.replace(/\/$/, '')
  const asset = assets.find(({ archive }) => plain === archive || plain.startsWith(`${archive}/`))
  return asset && asset.path + plain.slice(asset.archive.length)
}

/** The JSON object in what a command wrote; warnings may come before and after it. */
function parseObject(output: string): unknown {
  const lines = output.split('\n')
  const from = lines.indexOf('{')
  const to = lines.lastIndexOf('}')
  try {
    return JSON.parse(lines.slice(from, to + 1).join('\n'))
  } catch {
    return undefined
  }
}
