import { execFile } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { promisify } from 'node:util'

/**
 * A process that is certain to be the one meant: a pid alone is not, because the kernel hands it out again. The start
 * time is what the kernel says: field 22 of /proc/PID/stat (proc_pid_stat(5)) on Linux, `ps -o lstart` elsewhere.
 */
export interface ProcessIdentity {
  pid: number
  startTime: string
}

const run = promisify(execFile)

/** Undefined when there is no such process, or when it is a zombie: that one only waits for its parent to look. */
export async function findStartTime(pid: number): Promise<string | undefined> {
  if (process.platform === 'linux') {
    const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined)
    // The second field is the program's name, which may itself hold spaces and parentheses.
    const fields = text?.slice(text.lastIndexOf(')') + 2).split(' ')
    if (!fields || fields[0] === 'Z' || fields[0] === 'X') return undefined
    return fields[19]
  }
  const found = await run('ps', ['-o', 'state=,lstart=', '-p', String(pid)], {
    env: { LC_ALL: 'C', PATH: '/usr/bin:/bin' },
  }).catch(() => undefined)
  const [, state = 'Z', startTime] = /^\s*(\S+)\s+(.+?)\s*$/.exec(found?.stdout ?? '') ?? []
  return state.startsWith('Z') ? undefined : startTime
}

export async function isAlive(identity: ProcessIdentity | undefined): Promise<boolean> {
  return identity !== undefined && (await findStartTime(identity.pid)) === identity.startTime
}

/** Signals one process, or with a group leader's identity its whole group; one that is gone is success. */
export async function signal(
  identity: ProcessIdentity | undefined,
  name: 'SIGTERM' | 'SIGKILL',
  scope: 'process' | 'group',
): Promise<void> {
  if (!identity || !(await isAlive(identity))) return
  try {
    process.kill(scope === 'group' ? -identity.pid : identity.pid, name)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
    // It leads no group of its own (or has just ended): the process alone is what remains to be signalled.
    if (scope === 'group') await signal(identity, name, 'process')
  }
}

/** Waits until none of them lives; false when the deadline passes first. */
export async function waitForEnd(identities: ProcessIdentity[], deadline: number): Promise<boolean> {
  for (;;) {
    const alive = await Promise.all(identities.map(isAlive))
    if (!alive.includes(true)) return true
    const left = deadline - Date.now()
    if (left <= 0) return false
    await new Promise((done) => setTimeout(done, Math.min(50, left)))
  }
}

/** Variables that name the slot's directory in everything that a slot starts. */
const ownVariables = ['REEF_SLOT_DIR', 'HOME', 'OPENCLAW_STATE_DIR']

/**
 * Processes that a slot started and that left its process groups, found by their environment (Linux only; elsewhere
 * the process groups must do). A person's own shell is never among them: its home is not inside a slot.
 */
export async function findStrays(slotDirectory: string): Promise<ProcessIdentity[]> {
  if (process.platform !== 'linux') return []
  const strays: ProcessIdentity[] = []
  for (const name of await readdir('/proc')) {
    const pid = Number(name)
    if (!Number.isInteger(pid) || pid === process.pid) continue
    // Other people's processes cannot be read, and are no strays of ours.
    const environment = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '')
    const startTime = belongsTo(environment, slotDirectory) ? await findStartTime(pid) : undefined
    if (startTime !== undefined) strays.push({ pid, startTime })
  }
  return strays
}

function belongsTo(environment: string, slotDirectory: string): boolean {
  return environment.split('\0').some((entry) => {
    const at = entry.indexOf('=')
    if (!ownVariables.includes(entry.slice(0, at))) return false
    const value = entry.slice(at + 1)
    return value === slotDirectory || value.startsWith(`${slotDirectory}/`)
  })
}

/**
 * A supervisor of this slot that no pid file tells of: its control plane died between starting and recording it. It is
 * recognised by its command line, which ends with the slot's directory.
 */
export async function findUnrecorded(
  supervisorEntry: string,
  slotDirectory: string,
): Promise<ProcessIdentity | undefined> {
  const tail = [supervisorEntry, slotDirectory]
  if (process.platform === 'linux') {
    for (const name of await readdir('/proc')) {
      if (!/^\d+$/.test(name)) continue
      const line = await readFile(`/proc/${name}/cmdline`, 'utf8').catch(() => '')
      const startTime = line.endsWith(`${tail.join('\0')}\0`) ? await findStartTime(Number(name)) : undefined
      if (startTime !== undefined) return { pid: Number(name), startTime }
    }
    return undefined
  }
  const listed = await run('ps', ['-axo', 'pid=,command='], { maxBuffer: 16 * 1024 * 1024 })
  for (const line of listed.stdout.split('\n')) {
    const pid = line.trimEnd().endsWith(tail.join(' ')) ? Number.parseInt(line, 10) : Number.NaN
    const startTime = Number.isNaN(pid) ? undefined : await findStartTime(pid)
    if (startTime !== undefined) return { pid, startTime }
  }
  return undefined
}
