import { createReadStream } from 'node:fs'
import { lstat, mkdir, readdir, readlink, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { ArchiveEntry } from './archive.ts'
import { configName, placeOf, type SlotPlaces } from './places.ts'
import { isSidecar, isSqlite, snapshotSqlite } from './sqlite.ts'

/** Size and time of a file when it was last saved, by its path: what differs is saved again. */
export type FileIndex = Record<string, string>

/** What OpenClaw's own backup leaves out as well (docs/cli/backup.md there): made anew, or of one moment only. */
const skippedDirectories = new Set([
  'state/cache',
  'state/dev',
  'state/git',
  'state/npm',
  'state/npm-runtime',
  'state/tmp',
  'state/tools',
  'state/logs',
  'state/plugin-skills',
  'state/sandbox/skills-workspaces',
])
const skippedTrees = /^state\/(extensions\/.*\/node_modules|agents\/[^/]+\/agent\/(.*\/)?\.?tmp)$/
const skippedNames = /.\.(sock|pid|tmp|tmp\..*)$/
/** In a workspace these names may be anything of the person's: `Cargo.lock`, `yarn.lock`. */
const skippedStateNames = /^openclaw\.log|\.lock$|^Singleton(Cookie|Lock|Socket)$/
const roots = [configName, 'state', 'workspace']

interface Found {
  path: string
  /** Empty for what is no file. */
  stamp: string
}

export interface StateChanges {
  entries: AsyncIterable<ArchiveEntry>
  /** Paths of `base` that are gone. */
  removed: string[]
  /** As of this look. */
  index: FileIndex
}

/**
 * What changed in a slot's directory since `base` was taken, while OpenClaw runs: databases as consistent copies, other
 * files as they are. It costs no process of OpenClaw's, so that it can follow each turn.
 */
export async function findStateChanges(
  places: SlotPlaces,
  base: FileIndex,
  scratch: string,
): Promise<StateChanges> {
  const found: Found[] = []
  for (const root of roots) await walk(places, root, found)
  const index: FileIndex = Object.fromEntries(found.map(({ path, stamp }) => [path, stamp]))
  return {
    entries: readEntries(
      places,
      found.filter(({ path, stamp }) => base[path] !== stamp),
      scratch,
    ),
    removed: Object.keys(base).filter((path) => !(path in index)),
    index,
  }
}

async function walk(places: SlotPlaces, path: string, found: Found[]): Promise<void> {
  const full = placeOf(places, path)
  const stat = await lstat(full).catch(() => undefined)
  if (!stat) return
  if (stat.isDirectory()) {
    if (skippedDirectories.has(path) || skippedTrees.test(path)) return
    found.push({ path, stamp: 'directory' })
    for (const name of (await readdir(full)).sort()) {
      if (!isSkipped(path, name)) await walk(places, join(path, name), found)
    }
  } else if (stat.isSymbolicLink()) found.push({ path, stamp: `link ${await readlink(full)}` })
  else if (stat.isFile() && !(await isSidecar(full))) found.push({ path, stamp: await stampOf(full) })
}

function isSkipped(directory: string, name: string): boolean {
  const ofState = directory === 'state' || directory.startsWith('state/')
  return skippedNames.test(name) || (ofState && skippedStateNames.test(name))
}

/** A database's journal counts as the database: what is committed may lie in it for a while. */
async function stampOf(full: string): Promise<string> {
  const stamps = []
  for (const path of [full, `${full}-wal`]) {
    const stat = await lstat(path, { bigint: true }).catch(() => undefined)
    if (stat) stamps.push(`${stat.size}@${stat.mtimeNs}`)
  }
  return stamps.join(' ')
}

async function* readEntries(
  places: SlotPlaces,
  changed: Found[],
  scratch: string,
): AsyncIterable<ArchiveEntry> {
  await rm(scratch, { recursive: true, force: true })
  await mkdir(scratch, { recursive: true, mode: 0o700 })
  try {
    for (const { path } of changed) {
      const entry = await readEntry(places, path, scratch)
      if (entry) yield entry
    }
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}

/** Undefined for what has gone since it was found: that was no part of the state any more. */
async function readEntry(
  places: SlotPlaces,
  path: string,
  scratch: string,
): Promise<ArchiveEntry | undefined> {
  const full = placeOf(places, path)
  const stat = await lstat(full).catch(() => undefined)
  if (stat?.isDirectory()) return { kind: 'directory', path, mode: stat.mode & 0o777 }
  if (stat?.isSymbolicLink()) return { kind: 'link', path, target: await readlink(full) }
  if (!stat?.isFile()) return undefined
  const shared = { kind: 'file', path, mode: stat.mode & 0o777, modifiedAt: stat.mtime } as const
  if (!(await isSqlite(full)))
    return {
      ...shared,
      bytes: stat.size,
      // No byte beyond the size that the archive promises, should it grow meanwhile.
      body: createReadStream(full, stat.size > 0 ? { end: stat.size - 1 } : {}),
    }
  const copy = join(scratch, 'database.sqlite')
  await rm(copy, { force: true })
  await snapshotSqlite(full, copy)
  return { ...shared, bytes: (await lstat(copy)).size, body: createReadStream(copy) }
}
