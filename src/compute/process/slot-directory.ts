import { randomBytes } from 'node:crypto'
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ComputeError } from '../../domain/instances/compute.ts'
import { isId } from '../../ids.ts'
import type { ProcessIdentity } from './processes.ts'

/** What the supervisor reads before each dial. */
export interface ControlFile {
  linkUrl: string
  bootstrapToken: string | null
  slotId: string
  port: number
  /** What it was started of; not for the supervisor. */
  specVersion?: string | undefined
}

/** How the supervisor ended, as its parent saw it; a control plane that was not its parent cannot know. */
export interface ExitRecord {
  code: number | null
  signal: string | null
  /** The kernel killed something for want of memory while the supervisor ran. */
  machineRanOutOfMemory: boolean
}

/** Written before the first signal, so that the end that follows is known to be wanted. */
export interface StopRecord {
  /** Milliseconds since the epoch after which whatever still lives is killed. */
  killAt: number
}

interface Marker {
  reefId: string
  slotId: string
}

const files = {
  marker: 'slot.json',
  control: 'control.json',
  supervisor: 'supervisor.pid.json',
  openclaw: 'openclaw.pid.json',
  exit: 'exit.json',
  stop: 'stop.json',
  log: 'supervisor.log',
} as const

/** The files of one slot. Each is replaced as a whole, so that nobody ever reads half of one. */
export function openSlotDirectory(root: string, slotId: string) {
  // The id becomes a path: nothing but an id may.
  if (!isId(slotId)) throw new ComputeError('rejected', `${JSON.stringify(slotId)} is not a slot id.`)
  const path = join(root, slotId)
  const read = <T>(name: keyof typeof files): Promise<T | undefined> => readJson<T>(join(path, files[name]))
  const write = (name: keyof typeof files, value: unknown): Promise<void> =>
    writeJson(join(path, files[name]), value)
  return {
    path,
    slotId,
    home: join(path, 'home'),
    log: join(path, files.log),
    /** Whether it exists and belongs to this Reef. */
    isOwn: async (reefId: string): Promise<boolean> => (await read<Marker>('marker'))?.reefId === reefId,
    create: async (reefId: string): Promise<void> => {
      await mkdir(join(path, 'home'), { recursive: true, mode: 0o700 })
      const marker = await read<Marker>('marker')
      if (marker && marker.reefId !== reefId)
        throw new ComputeError(
          'rejected',
          `${path} belongs to another Reef. Give this one its own REEF_DATA_DIR.`,
        )
      if (!marker) await write('marker', { reefId, slotId } satisfies Marker)
    },
    readControl: () => read<ControlFile>('control'),
    writeControl: (control: ControlFile) => write('control', control),
    readSupervisor: () => read<ProcessIdentity>('supervisor'),
    /** Recorded by the supervisor, which starts OpenClaw in a process group of its own. */
    readOpenclaw: () => read<ProcessIdentity>('openclaw'),
    readExit: () => read<ExitRecord>('exit'),
    writeExit: (exit: ExitRecord) => write('exit', exit),
    readStop: () => read<StopRecord>('stop'),
    writeStop: (stop: StopRecord) => write('stop', stop),
    /** A new life: how the last one ended is of no more interest. */
    writeSupervisor: (identity: ProcessIdentity) => write('supervisor', identity),
    forgetEnd: async (): Promise<void> => {
      await rm(join(path, files.exit), { force: true })
      await rm(join(path, files.stop), { force: true })
      await rm(join(path, files.supervisor), { force: true })
    },
    /** The marker goes last: a removal that is cut short leaves a slot that `list()` still finds. */
    remove: async (): Promise<void> => {
      for (const name of await readdir(path).catch(() => []))
        if (name !== files.marker)
          await rm(join(path, name), { recursive: true, force: true, maxRetries: 5, retryDelay: 50 })
      await rm(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 })
    },
  }
}

export type SlotDirectory = ReturnType<typeof openSlotDirectory>

/** Ids of the slots below `root` that carry this Reef's mark. */
export async function listSlotIds(root: string, reefId: string): Promise<string[]> {
  const names = await readdir(root).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
  const own: string[] = []
  for (const name of names)
    if (isId(name) && (await openSlotDirectory(root, name).isOwn(reefId))) own.push(name)
  return own
}

async function readJson<T>(path: string): Promise<T | undefined> {
  try {
    // Only this driver and the slot's supervisor write these files, each as a whole.
    return JSON.parse(await readFile(path, 'utf8')) as T
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    // A damaged file (the machine lost power) tells as little as a missing one.
    if (code === 'ENOENT' || code === 'ENOTDIR' || error instanceof SyntaxError) return undefined
    throw error
  }
}

async function writeJson(path: string, value: unknown): Promise<void> {
  const draft = `${path}.${randomBytes(4).toString('hex')}.draft`
  await writeFile(draft, `${JSON.stringify(value)}\n`, { mode: 0o600 })
  await rename(draft, path)
}
