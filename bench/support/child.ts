import { type ChildProcess, spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'

export interface ListeningChild {
  readonly process: ChildProcess
  /** The words that it printed after `listening`. */
  readonly words: string[]
  stop(): Promise<void>
}

/** Starts a script in a process of its own and resolves when it prints `listening ...`. */
export function startChild(script: URL, arguments_: string[]): Promise<ListeningChild> {
  const child = spawn(process.execPath, [script.pathname, ...arguments_], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  return new Promise((done, fail) => {
    child.once('exit', (code) => fail(new Error(`${script.pathname} ended with ${code}`)))
    let text = ''
    child.stdout.on('data', (data) => {
      text += data
      const match = /^listening (.+)$/m.exec(text)
      if (match)
        done({ process: child, words: (match[1] as string).split(' '), stop: () => stopChild(child) })
    })
  })
}

export async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = new Promise((done) => child.once('exit', done))
  child.kill('SIGKILL')
  await ended
}

/** Resident memory of a process, in bytes. */
export async function residentBytes(pid: number): Promise<number> {
  if (process.platform === 'linux') {
    const status = await readFile(`/proc/${pid}/status`, 'utf8')
    return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) * 1024
  }
  const { execFile } = await import('node:child_process')
  const { stdout } = await promisify(execFile)('ps', ['-o', 'rss=', '-p', String(pid)])
  return Number(stdout) * 1024
}

/** Processor time that a process has used, in seconds; NaN where the system does not tell. */
export async function processorSeconds(pid: number): Promise<number> {
  if (process.platform !== 'linux') return Number.NaN
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
  // The name, in parentheses, may hold spaces. User and system time are the 12th and 13th field after it.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const ticksPerSecond = 100
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond
}
