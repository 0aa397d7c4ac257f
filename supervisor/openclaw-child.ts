import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createLineSplitter } from './log-buffer.ts'
import { descendants, findByEnvironment, listProcesses, type ProcessRow } from './process-table.ts'
import type { ProcessIdentity, SlotFiles } from './slot-files.ts'

export interface ChildSettings {
  files: SlotFiles
  /** The few variables that are handed on; nothing else of the supervisor's environment reaches OpenClaw. */
  variables: Readonly<Record<string, string>>
  onLine(text: string): void
}

export interface OpenClawChild {
  readonly pid: number
  /** Null for a signal. */
  readonly exited: Promise<number | null>
  /** The last lines it wrote, for a message that says why it ended. */
  lastLines(): string[]
  terminate(): void
}

const packageEntry = fileURLToPath(import.meta.resolve('openclaw'))
const packageDirectory = resolve(dirname(packageEntry), '..')

export const openclawVersion: string = JSON.parse(
  readFileSync(resolve(packageDirectory, 'package.json'), 'utf8'),
).version

/** Names OpenClaw's processes in their environment, so that they are found even when their parent is gone. */
const stateVariable = 'OPENCLAW_STATE_DIR'

/** Starts `openclaw ARGUMENTS` in a process group of its own. */
export function startOpenClaw(settings: ChildSettings, argv: string[]): OpenClawChild {
  const { files } = settings
  const child = spawn(process.execPath, [resolve(packageDirectory, 'openclaw.mjs'), ...argv], {
    cwd: files.paths.home,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...settings.variables,
      HOME: files.paths.home,
      [stateVariable]: files.paths.state,
      OPENCLAW_CONFIG_PATH: files.paths.config,
      OPENCLAW_DISABLE_BONJOUR: '1',
      // One stable pid: updates and restarts never hand over to another process.
      OPENCLAW_NO_RESPAWN: '1',
      OPENCLAW_EXEC_SHELL_SNAPSHOT: '0',
    },
  })
  const lines: string[] = []
  const onLine = (text: string) => {
    lines.push(text)
    if (lines.length > 20) lines.shift()
    settings.onLine(text)
  }
  const exited = new Promise<number | null>((done) => {
    child.once('error', (error) => {
      onLine(`OpenClaw could not be started: ${error.message}`)
      done(null)
    })
    child.once('exit', (code) => done(code))
  })
  readLines(child, onLine)
  return {
    pid: child.pid ?? 0,
    exited,
    lastLines: () => lines,
    terminate: () => void child.kill('SIGTERM'),
  }
}

function readLines(child: ChildProcess, onLine: (text: string) => void): void {
  for (const stream of [child.stdout, child.stderr]) {
    const splitter = createLineSplitter(onLine)
    stream?.setEncoding('utf8')
    stream?.on('data', (chunk: string) => splitter.write(chunk))
    stream?.on('end', () => splitter.flush())
  }
}

export async function identify(pid: number): Promise<ProcessIdentity | null> {
  const row = (await listProcesses()).find((candidate) => candidate.pid === pid)
  return row ? { pid, startTime: row.startTime } : null
}

/**
 * Kills everything of this slot's OpenClaw that lives: the recorded process with its group and descendants, and on
 * Linux whatever carries this state directory in its environment, because OpenClaw's helpers lead sessions of their
 * own and outlive a parent that was killed. Returns how many there were.
 */
export async function killLeftovers(files: SlotFiles, waitMs = 5_000): Promise<number> {
  const killed = new Set<number>()
  const deadline = Date.now() + waitMs
  for (;;) {
    const living = await findLeftovers(files)
    if (living.length === 0 || Date.now() > deadline) break
    for (const row of living) {
      killed.add(row.pid)
      kill(row.groupId === row.pid ? -row.pid : row.pid)
    }
    // What was just forked is found in the next round; the kernel needs a moment for the rest.
    await pause()
  }
  // What was killed and what its new parent has not reaped yet looks alive to the next OpenClaw, which then waits for it
  // to give the state directory up, for minutes.
  const patience = Date.now() + reapedMsMax
  while ([...killed].some(exists) && Date.now() < patience) await pause()
  return killed.size
}

/** A busy system's first process takes seconds; one that never reaps anything is not waited for longer. */
const reapedMsMax = 10_000

const pause = () => new Promise((done) => setTimeout(done, 20))

/** Zombies too. */
function exists(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

async function findLeftovers(files: SlotFiles): Promise<ProcessRow[]> {
  const rows = await listProcesses()
  const recorded = files.readOpenClawProcess()
  const root = rows.find((row) => row.pid === recorded?.pid && row.startTime === recorded.startTime)
  const marked = new Set(await findByEnvironment(stateVariable, files.paths.state))
  const found = new Map<number, ProcessRow>()
  for (const row of root ? descendants(rows, root.pid) : []) found.set(row.pid, row)
  for (const row of rows) if (marked.has(row.pid)) found.set(row.pid, row)
  found.delete(process.pid)
  return [...found.values()].filter((row) => !row.zombie)
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // Gone between listing and killing.
  }
}
