import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { type ArchiveEntry, type ArchiveHeader, type ArchiveSums, writeArchive } from './archive.ts'
import type { ControlClient } from './control-client.ts'
import type { BackupFacts } from './manifest.ts'
import { type RunOpenClaw, takeOpenClawBackup } from './openclaw-source.ts'
import type { SlotPlaces } from './places.ts'
import { type FileIndex, findStateChanges, type StateChanges } from './state-source.ts'

/** What the control plane asks for, over the link (method `backup`) or in answer to an offered checkpoint. */
export const backupOrderSchema = z.object({
  backupId: z.string(),
  kind: z.enum(['full', 'checkpoint']),
  /** The age recipient that it is encrypted to. */
  recipient: z.string(),
  /** Of a checkpoint: the backup that it adds to; null when there is none, and everything is saved. */
  baseBackupId: z.string().nullable(),
  /** How long turns in flight are waited for. */
  drainSeconds: z.number().min(0),
})
export type BackupOrder = z.infer<typeof backupOrderSchema>

export interface Backups {
  /** One at a time; a second waits for the first. Resolves when the control plane has published it. */
  take(order: BackupOrder): Promise<BackupFacts>
  /**
   * The same, asked for only when it is its turn: by then another may have become the one to add to. `base` is the backup
   * that the index of saved files belongs to, if there is one. Null: nothing is to be saved.
   */
  takeNext(ask: (base: string | null) => Promise<BackupOrder | null>): Promise<void>
  /** Work that changes what backups read: none runs meanwhile. */
  exclusively<T>(work: () => Promise<T>): Promise<T>
  /** Whether any of that is under way or waits for its turn. */
  isBusy(): boolean
}

export interface BackupsDependencies {
  places: SlotPlaces
  control: ControlClient
  runOpenClaw: RunOpenClaw
  countTurns(): Promise<number>
  countConversations(): Promise<number>
  openclawVersion: string
  supervisorVersion: string
  log(text: string): void
}

const indexSchema = z.object({ backupId: z.string(), files: z.record(z.string(), z.string()) })
const turnPollMs = 200
const openclawScratch = 'backup-openclaw'
const stateScratch = 'backup-state'
/** The folders of a slot's directory that a backup works in. */
export const backupScratch = [openclawScratch, stateScratch]

export function createBackups(deps: BackupsDependencies): Backups {
  const { places, control, log } = deps
  const { slotDirectory } = places
  const indexPath = join(slotDirectory, 'backup-index.json')
  let last: Promise<unknown> = Promise.resolve()
  let underWay = 0
  // What a crash has left of an earlier one.
  for (const name of backupScratch) rmSync(join(slotDirectory, name), { recursive: true, force: true })

  function readIndex(): z.infer<typeof indexSchema> | undefined {
    try {
      return indexSchema.parse(JSON.parse(readFileSync(indexPath, 'utf8')))
    } catch {
      return undefined
    }
  }

  function writeIndex(backupId: string, files: FileIndex): void {
    writeFileSync(`${indexPath}.tmp`, JSON.stringify({ backupId, files }), { mode: 0o600 })
    renameSync(`${indexPath}.tmp`, indexPath)
  }

  /** The snapshot is consistent in any case; waiting only makes it the end of a turn and not its middle. */
  async function waitForTurns(seconds: number): Promise<void> {
    const deadline = Date.now() + seconds * 1000
    while (Date.now() < deadline && (await deps.countTurns()) > 0) await sleep(turnPollMs)
  }

  async function take(order: BackupOrder): Promise<BackupFacts> {
    await waitForTurns(order.drainSeconds)
    const takenAt = new Date().toISOString()
    const startedAt = performance.now()
    const path = `/backups/${order.backupId}`
    const deliver = (stored: Parameters<ControlClient['deliver']>[1]) =>
      control.deliver(`${path}/content`, stored)
    const { sums, index } =
      order.kind === 'full' ? await writeFull(order, deliver) : await writeCheckpoint(order, deliver)
    const facts: BackupFacts = {
      takenAt,
      openclawVersion: deps.openclawVersion,
      supervisorVersion: deps.supervisorVersion,
      conversations: await deps.countConversations(),
      ...sums,
    }
    await control.call('POST', `${path}/complete`, facts)
    if (index) writeIndex(order.backupId, index)
    const kilobytes = Math.round(sums.stored.bytes / 1024)
    log(`Backed up (${order.kind}): ${kilobytes} kB in ${Math.round(performance.now() - startedAt)} ms.`)
    return facts
  }

  type Deliver = Parameters<typeof writeArchive>[3]
  type Written = { sums: ArchiveSums; index: FileIndex | undefined }

  async function writeFull(order: BackupOrder, deliver: Deliver): Promise<Written> {
    // Looked at before OpenClaw takes its snapshot: what changes in between counts as changed since.
    const look = await findStateChanges(places, {}, join(slotDirectory, stateScratch))
    const snapshot = await takeOpenClawBackup(deps.runOpenClaw, places, join(slotDirectory, openclawScratch))
    try {
      for (const path of snapshot.outside)
        log(`${path} lies outside of this instance’s directory: it is not part of the backup.`)
      return await writeEntries(order, deliver, { ...look, entries: snapshot.entries, removed: [] })
    } finally {
      await snapshot.remove()
    }
  }

  async function writeCheckpoint(order: BackupOrder, deliver: Deliver): Promise<Written> {
    const known = readIndex()
    const base = order.baseBackupId === null ? {} : known?.files
    if (base === undefined || (order.baseBackupId !== null && known?.backupId !== order.baseBackupId))
      throw new Error('The backup that this checkpoint would add to is not the one that was taken here.')
    const changes = await findStateChanges(places, base, join(slotDirectory, stateScratch))
    const written = await writeEntries(order, deliver, changes)
    // Without a base this holds everything, so that later ones may add to it.
    return { ...written, index: order.baseBackupId === null ? written.index : undefined }
  }

  /** Only what is in the archive counts as saved: the next checkpoint takes the rest, whoever has left it out. */
  async function writeEntries(order: BackupOrder, deliver: Deliver, changes: StateChanges) {
    const { entries, removed, index } = changes
    const header: ArchiveHeader = { format: 1, slotDirectory, removed }
    const paths = new Set<string>()
    const sums = await writeArchive(header, noting(entries, paths), order.recipient, deliver)
    const saved = Object.entries(index).filter(([path]) => paths.has(path))
    return { sums, index: Object.fromEntries(saved) }
  }

  function exclusively<T>(work: () => Promise<T>): Promise<T> {
    underWay += 1
    const done = last.then(work)
    last = done
      .catch(() => undefined)
      .finally(() => {
        underWay -= 1
      })
    return done
  }

  return {
    exclusively,
    isBusy: () => underWay > 0,
    take: (order) => exclusively(() => take(order)),
    takeNext: (ask) =>
      exclusively(async () => {
        const order = await ask(readIndex()?.backupId ?? null)
        if (order) await take(order)
      }),
  }
}

/** Adds the path of each entry once it has been written. */
async function* noting(
  entries: AsyncIterable<ArchiveEntry>,
  paths: Set<string>,
): AsyncIterable<ArchiveEntry> {
  for await (const entry of entries) {
    yield entry
    paths.add(entry.path)
  }
}
