import { randomBytes, randomUUID } from 'node:crypto'
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { z } from 'zod'

/** A process that is certain to be the one meant; compute drivers that share the disk read the same file. */
const processIdentitySchema = z.object({ pid: z.number().int().positive(), startTime: z.string() })
export type ProcessIdentity = z.infer<typeof processIdentitySchema>

const memorySchema = z.object({
  /** Last heartbeat that was sent; the next is one higher, over the slot's whole life. */
  heartbeatSequence: z.number().int().default(0),
  appliedRestartGeneration: z.number().int().default(0),
  /** How long OpenClaw has served, and which counter says so. */
  servedRun: z.string().default(() => randomUUID()),
  servedMs: z.number().int().min(0).default(0),
  /** OpenClaw's password for calls that do not come through the proxy. */
  gatewayPassword: z.string(),
})
export type Memory = z.infer<typeof memorySchema>

/**
 * Everything of one slot on disk. All files are for this user only and are replaced as a whole.
 *
 * Memory, link credential and OpenClaw's process are the supervisor's own, and a disk that takes nothing may not end it:
 * what cannot be written is kept in this process, read from there, and tried again with each write of any of them, which
 * is at every heartbeat.
 */
export interface SlotFiles {
  readonly paths: {
    readonly state: string
    readonly home: string
    readonly workspace: string
    readonly config: string
    readonly openclawLog: string
  }
  readMemory(): Memory
  updateMemory(change: Partial<Memory>): void
  readLinkCredential(): string | null
  writeLinkCredential(token: string): void
  readOpenClawProcess(): ProcessIdentity | null
  writeOpenClawProcess(identity: ProcessIdentity | null): void
  /** Undefined when there is none yet; throws when it is not plain JSON. */
  readConfig(): Record<string, never> | undefined
  /** Leaves the file alone when it would not change, so that OpenClaw reloads nothing. True when it was written. */
  writeConfig(config: unknown): boolean
}

/**
 * How a slot's directory is laid out. `flat`: everything lies in it, OpenClaw's home too. `home`: it is `~/.openclaw` of
 * a home that is forgotten with the container, in the folders config, workspace, state and credentials.
 */
export type SlotLayout = 'flat' | 'home'

export function openSlotFiles(
  directory: string,
  layout: SlotLayout = 'flat',
  /** Told once when writing begins to fail, and once when it works again. */
  report: (text: string) => void = () => undefined,
): SlotFiles {
  const at = (name: string) => join(directory, name)
  const inHome = layout === 'home'
  const paths = {
    state: at('state'),
    home: inHome ? dirname(directory) : at('home'),
    workspace: at('workspace'),
    config: inHome ? at('config/openclaw.json') : at('openclaw.json'),
    openclawLog: inHome ? at('state/openclaw.log') : at('openclaw.log'),
  }
  const own = inHome ? at('credentials') : directory
  for (const path of [directory, paths.state, paths.home, paths.workspace, dirname(paths.config), own])
    mkdirSync(path, { recursive: true, mode: 0o700 })

  const files = {
    memory: join(own, 'supervisor.json'),
    credential: join(own, 'link-credential'),
    process: join(own, 'openclaw.pid.json'),
  }
  let memory = loadMemory(files.memory)
  const unwritten = new Map<string, string>()

  function keep(path: string, text: string): void {
    const failedBefore = unwritten.size > 0
    unwritten.set(path, text)
    let reason = ''
    for (const [waiting, content] of unwritten)
      try {
        replaceFile(waiting, content)
        unwritten.delete(waiting)
      } catch (error) {
        reason = error instanceof Error ? error.message : String(error)
      }
    const fails = unwritten.size > 0
    if (fails && !failedBefore)
      report(`The supervisor's files cannot be written, which is tried again: ${reason}`)
    if (failedBefore && !fails) report("The supervisor's files are written again.")
  }

  return {
    paths,
    readMemory: () => memory,
    updateMemory: (change) => {
      memory = { ...memory, ...change }
      keep(files.memory, JSON.stringify(memory))
    },
    readLinkCredential: () => (unwritten.get(files.credential) ?? read(files.credential))?.trim() || null,
    writeLinkCredential: (token) => keep(files.credential, `${token}\n`),
    readOpenClawProcess: () => {
      const text = unwritten.get(files.process) ?? read(files.process)
      const parsed = processIdentitySchema.safeParse(parseJson(text))
      return parsed.success ? parsed.data : null
    },
    writeOpenClawProcess: (identity) => {
      if (identity) {
        keep(files.process, JSON.stringify(identity))
        return
      }
      unwritten.delete(files.process)
      rmSync(files.process, { force: true })
    },
    readConfig: () => {
      const text = read(paths.config)
      return text === undefined ? undefined : JSON.parse(text)
    },
    writeConfig: (config) => {
      const text = `${JSON.stringify(config, null, 2)}\n`
      const current = read(paths.config)
      if (current !== undefined && JSON.stringify(parseJson(current)) === JSON.stringify(config)) return false
      replaceFile(paths.config, text)
      return true
    },
  }
}

function loadMemory(path: string): Memory {
  const parsed = memorySchema.safeParse(parseJson(read(path)))
  if (parsed.success) return parsed.data
  const memory = {
    heartbeatSequence: 0,
    appliedRestartGeneration: 0,
    servedRun: randomUUID(),
    servedMs: 0,
    gatewayPassword: randomBytes(32).toString('base64url'),
  }
  replaceFile(path, JSON.stringify(memory))
  return memory
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

function parseJson(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? '')
  } catch {
    return undefined
  }
}

/** Written beside it and renamed, so that a crash leaves the old file or the new one and nothing between. */
function replaceFile(path: string, text: string): void {
  const temporary = `${path}.${process.pid}.tmp`
  writeFileSync(temporary, text, { mode: 0o600 })
  renameSync(temporary, path)
}
