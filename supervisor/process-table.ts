import { execFile } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { platform } from 'node:os'
import { promisify } from 'node:util'

export interface ProcessRow {
  pid: number
  parentPid: number
  groupId: number
  zombie: boolean
  /** Opaque, and the compute drivers' `startTime`: two processes of the same pid differ in it. */
  startTime: string
  residentBytes: number
  cpuSeconds: number
}

/** Every process that can be seen: from /proc on Linux, from `ps` elsewhere. */
export async function listProcesses(): Promise<ProcessRow[]> {
  return platform() === 'linux' ? listFromProc() : listFromPs()
}

/** `root` and everything below it, root first. */
export function descendants(rows: ProcessRow[], root: number): ProcessRow[] {
  const children = Map.groupBy(rows, (row) => row.parentPid)
  const found = rows.filter((row) => row.pid === root)
  // Grows while it is walked: each row brings its children.
  for (const row of found) found.push(...(children.get(row.pid) ?? []))
  return found
}

/** Pids of processes whose environment holds `NAME=value` as it was at their start; Linux only, elsewhere none. */
export async function findByEnvironment(name: string, value: string): Promise<number[]> {
  if (platform() !== 'linux') return []
  const wanted = `${name}=${value}`
  const pids = await procPids()
  const matches = await Promise.all(
    pids.map(async (pid) => {
      // Gone by now, or another user's.
      const environment = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '')
      return environment.split('\0').includes(wanted)
    }),
  )
  return pids.filter((_, index) => matches[index])
}

const pageBytes = 4096
/** USER_HZ, which is 100 on every Linux that Node runs on. */
const ticksPerSecond = 100

async function listFromProc(): Promise<ProcessRow[]> {
  const rows = await Promise.all((await procPids()).map(readProc))
  return rows.filter((row) => row !== undefined)
}

async function procPids(): Promise<number[]> {
  const entries = await readdir('/proc')
  return entries.filter((entry) => /^\d+$/.test(entry)).map(Number)
}

async function readProc(pid: number): Promise<ProcessRow | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined)
  return stat === undefined ? undefined : parseProcStat(pid, stat)
}

/** The second field is the command in parentheses and may itself hold spaces and parentheses; see proc(5). */
export function parseProcStat(pid: number, stat: string): ProcessRow {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const number = (index: number) => Number(fields[index - 3])
  return {
    pid,
    parentPid: number(4),
    groupId: number(5),
    zombie: fields[0] === 'Z' || fields[0] === 'X',
    startTime: String(fields[22 - 3]),
    residentBytes: number(24) * pageBytes,
    cpuSeconds: (number(14) + number(15)) / ticksPerSecond,
  }
}

async function listFromPs(): Promise<ProcessRow[]> {
  const { stdout } = await promisify(execFile)(
    'ps',
    ['-A', '-o', 'pid=,ppid=,pgid=,stat=,rss=,time=,lstart='],
    { env: { LC_ALL: 'C', PATH: '/usr/bin:/bin' }, maxBuffer: 16 * 1024 * 1024 },
  )
  return stdout.split('\n').flatMap((line) => parsePsLine(line) ?? [])
}

export function parsePsLine(line: string): ProcessRow | undefined {
  const match = /^\s*(\d+)\s+(\d+)\s+(\d+)\s+(\S+)\s+(\d+)\s+(\S+)\s+(.+?)\s*$/.exec(line)
  if (!match) return undefined
  const [, pid, parentPid, groupId, state, kibibytes, time = '', started = ''] = match
  // [[days-]hours:]minutes:seconds
  const cpuSeconds = time
    .split(/[-:]/)
    .reverse()
    .reduce((sum, part, index) => sum + Number(part) * ([1, 60, 3600, 86_400][index] ?? 0), 0)
  return {
    pid: Number(pid),
    parentPid: Number(parentPid),
    groupId: Number(groupId),
    zombie: state?.startsWith('Z') ?? false,
    startTime: started.split(/\s+/).join(' '),
    residentBytes: Number(kibibytes) * 1024,
    cpuSeconds,
  }
}
