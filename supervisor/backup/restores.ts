import { existsSync } from 'node:fs'
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { type ControlClient, ControlRefused } from './control-client.ts'
import { ArchiveRefused, extractArchive, receiveStored } from './extract.ts'
import { type Manifest, openManifest, type RestoreOrder, restoreOrderSchema } from './manifest.ts'
import { moveSettings } from './move-settings.ts'
import { configName, placeOf, type SlotPlaces } from './places.ts'
import { checkDatabases } from './sqlite.ts'

export interface Restores {
  /** Before OpenClaw is started: takes back what a crash left half done. */
  recover(): Promise<void>
  /** Whether this restore is still to be done, or to be reported. */
  isOpen(id: string): boolean
  /** Fetches, checks, swaps, and reports; at most one at a time. Resolves when the control plane knows the outcome. */
  apply(id: string): Promise<void>
}

export interface RestoresDependencies {
  places: SlotPlaces
  control: ControlClient
  /** No backup may read what a restore exchanges. */
  exclusively<T>(work: () => Promise<T>): Promise<T>
  /** Lets turns end and stops OpenClaw. */
  stopOpenClaw(): Promise<void>
  /** Starts it and answers whether it got ready. */
  startOpenClaw(options: { drill: boolean }): Promise<boolean>
  /** False when the control plane no longer wants this restore, or the supervisor is stopping. */
  isWanted(id: string): boolean
  log(text: string): void
  /** Between two tries of what may pass by itself; 2 seconds if left out. */
  retryMs?: number
}

/** What OpenClaw's state consists of; everything else in a slot's directory is the supervisor's. */
const names = ['state', 'workspace', configName]

const journalSchema = z.object({
  id: z.string(),
  /**
   * `swapping` and `undoing` are taken back after a crash, `swapped` waits for OpenClaw, `failed` for the report, `done`
   * for nothing. Only what was `swapping` is tried again.
   */
  stage: z.enum(['swapping', 'swapped', 'undoing', 'failed', 'done']),
  /** Which of the names were there before. */
  had: z.array(z.string()).default([]),
  message: z.string().default(''),
  drill: z.boolean().default(false),
})
type Journal = z.infer<typeof journalSchema>

const retryMsUsual = 2_000
/** The folder of a slot's directory that a restore works in. */
export const restoreScratch = 'restore'

export function createRestores(deps: RestoresDependencies): Restores {
  const { places, control, log, retryMs = retryMsUsual } = deps
  const { slotDirectory } = places
  const placed = (name: string) => placeOf(places, name)
  const at = (...parts: string[]) => join(slotDirectory, ...parts)
  const area = at(restoreScratch)
  const previous = join(area, 'previous')
  const tree = join(area, 'tree')
  const journalPath = at('restore.json')
  let journal: Journal | undefined
  let running: Promise<void> | undefined

  async function note(next: Journal): Promise<void> {
    await writeFile(`${journalPath}.tmp`, JSON.stringify(next), { mode: 0o600, flush: true })
    await rename(`${journalPath}.tmp`, journalPath)
    // Only now: what the next start would not know of is not acted upon.
    journal = next
  }

  async function recover(): Promise<void> {
    journal = await readFile(journalPath, 'utf8').then(
      (text) => journalSchema.parse(JSON.parse(text)),
      () => undefined,
    )
    await takeBack()
    if (journal?.stage !== 'swapped') await rm(area, { recursive: true, force: true })
  }

  /** Ends what a crash or a failing disk has left between the restored state and the one before. */
  async function takeBack(): Promise<void> {
    if (journal?.stage === 'swapping') {
      await undo(journal)
      await rm(journalPath, { force: true })
      journal = undefined
      log('A restore was cut short while it changed the state; the state is as it was before.')
    } else if (journal?.stage === 'undoing') {
      await undo(journal)
      await note({ ...journal, stage: 'failed' })
      log('The state is as it was before the restore.')
    }
  }

  /** Everything that can be refused is refused here, while OpenClaw's state lies untouched. */
  async function prepare(order: RestoreOrder): Promise<void> {
    const manifests = checkParts(order)
    const directories = new Set<string>()
    await rm(area, { recursive: true, force: true })
    await mkdir(tree, { recursive: true, mode: 0o700 })
    for (const manifest of manifests) {
      const stored = join(area, 'stored')
      const path = `/restores/${order.id}/backups/${manifest.backupId}`
      await receiveStored(await control.fetch(path), stored, manifest)
      const { slotDirectory: from } = await extractArchive(stored, tree, order.identity, manifest)
      await rm(stored, { force: true })
      directories.add(from)
    }
    const count = await checkDatabases(join(tree, 'state'))
    for (const from of directories) await moveSettings(tree, from, slotDirectory)
    log(`The backup is whole: signature, digests and ${count} databases are as they should be.`)
  }

  async function swap(order: RestoreOrder): Promise<void> {
    const had = names.filter((name) => existsSync(placed(name)))
    await mkdir(previous, { recursive: true, mode: 0o700 })
    await note({ id: order.id, stage: 'swapping', had, message: '', drill: order.drill })
    for (const name of had) await rename(placed(name), join(previous, name))
    for (const name of names) if (existsSync(join(tree, name))) await rename(join(tree, name), placed(name))
    for (const name of ['state', 'workspace']) await mkdir(at(name), { recursive: true, mode: 0o700 })
    // What was saved since when is a question about the state that has just gone.
    await rm(at('backup-index.json'), { force: true })
    await note({ id: order.id, stage: 'swapped', had, message: '', drill: order.drill })
  }

  /** Harmless at any point of a swap, and when repeated. */
  async function undo({ had }: Journal): Promise<void> {
    for (const name of names) {
      if (existsSync(join(previous, name))) {
        await rm(placed(name), { recursive: true, force: true })
        await rename(join(previous, name), placed(name))
      } else if (!had.includes(name)) await rm(placed(name), { recursive: true, force: true })
    }
  }

  async function work(id: string): Promise<void> {
    await takeBack()
    if (journal?.id !== id || journal.stage === 'done') await begin(id)
    if (journal?.id === id && journal.stage === 'swapped') await boot(journal)
    await report(id)
  }

  /** Undefined when there will never be one: the key was destroyed, or the backup is not kept any more. */
  async function fetchOrder(id: string): Promise<RestoreOrder | undefined> {
    try {
      return restoreOrderSchema.parse(await control.call('GET', `/restores/${id}`))
    } catch (error) {
      if (!(error instanceof ControlRefused && error.status === 409)) throw error
      await note({
        id,
        stage: 'failed',
        had: [],
        message: `Nothing was changed. ${error.message}`,
        drill: false,
      })
      return undefined
    }
  }

  async function begin(id: string): Promise<void> {
    const order = await fetchOrder(id)
    if (!order) return
    let stopped = false
    try {
      await prepare(order)
      await deps.stopOpenClaw()
      stopped = true
      await swap(order)
    } catch (error) {
      if (isPassing(error)) throw error
      if (journal?.id === id && journal.stage === 'swapping') await undo(journal)
      await rm(area, { recursive: true, force: true })
      const reason = error instanceof Error ? error.message : String(error)
      await note({
        id,
        stage: 'failed',
        had: [],
        message: `Nothing was changed. ${reason}`,
        drill: order.drill,
      })
      log(`The restore was refused: ${reason}`)
      if (stopped) await deps.startOpenClaw({ drill: false })
    }
  }

  async function boot(swapped: Journal): Promise<void> {
    if (await deps.startOpenClaw({ drill: swapped.drill })) return
    if (!deps.isWanted(swapped.id)) throw new Error('The restore was interrupted.')
    log('OpenClaw does not start with the restored state; going back to the one before.')
    await deps.stopOpenClaw()
    const message = 'OpenClaw did not start with the restored state, so the state is the one before again.'
    // Before the first change: half undone, nothing may be booted and nothing of the state before be removed.
    await note({ ...swapped, stage: 'undoing', message })
    await takeBack()
    await deps.startOpenClaw({ drill: false })
  }

  async function report(id: string): Promise<void> {
    if (journal?.id !== id || journal.stage === 'done') return
    const succeeded = journal.stage === 'swapped'
    await control
      .call('POST', `/restores/${id}`, {
        outcome: succeeded ? 'succeeded' : 'failed',
        message: succeeded ? 'Restored; OpenClaw answers.' : journal.message,
      })
      .catch((error: unknown) => {
        // It knows already: the answer to the first report was lost.
        if (!(error instanceof ControlRefused && error.status === 404)) throw error
      })
    await note({ ...journal, stage: 'done' })
    await rm(area, { recursive: true, force: true })
    if (succeeded) log('Restored; OpenClaw answers.')
  }

  async function persistently(id: string): Promise<void> {
    for (;;) {
      try {
        return await deps.exclusively(() => work(id))
      } catch (error) {
        const text = error instanceof Error ? error.message : String(error)
        log(`The restore waits: ${text}`)
        // Over, from the control plane's point of view: its next `desired` will not name it any more.
        if (error instanceof ControlRefused && error.status < 500) return
      }
      await sleep(retryMs)
      if (!deps.isWanted(id)) return
    }
  }

  return {
    recover,
    isOpen: (id) => journal?.id !== id || journal.stage !== 'done',
    apply(id) {
      running ??= persistently(id).finally(() => {
        running = undefined
      })
      return running
    },
  }
}

/** Signature, owner and order of the parts. */
function checkParts(order: RestoreOrder): Manifest[] {
  const manifests = order.parts.map((part) => openManifest(part, order.publicKey))
  for (const [index, manifest] of manifests.entries()) {
    if (manifest.userId !== order.userId) throw new ArchiveRefused('The backup belongs to somebody else.')
    const below = manifests[index - 1]?.backupId ?? null
    if (manifest.baseBackupId !== below)
      throw new ArchiveRefused('The checkpoint does not belong to the backup that came with it.')
  }
  return manifests
}

/** Worth another try: the network, the control plane or the store is away. */
function isPassing(error: unknown): boolean {
  if (error instanceof ControlRefused) return error.status >= 500
  const code =
    (error as { code?: string; cause?: { code?: string } }).cause?.code ?? (error as { code?: string }).code
  return error instanceof TypeError || ['ECONNREFUSED', 'ECONNRESET', 'UND_ERR_SOCKET'].includes(code ?? '')
}
