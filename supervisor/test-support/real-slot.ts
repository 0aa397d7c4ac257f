import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { killLeftovers } from '../openclaw-child.ts'
import { proxyTokenHeader, routeHeader, type SupervisorRoute } from '../protocol.ts'
import { openSlotFiles } from '../slot-files.ts'

const entry = fileURLToPath(new URL('../main.ts', import.meta.url))

/** One slot on disk, run by real supervisors and a real OpenClaw. */
export function createRealSlot(linkUrl: string, proxyToken: string) {
  const directory = mkdtempSync(join(tmpdir(), 'reef-slot-'))
  const file = (name: string) => join(directory, name)
  let supervisor: ChildProcess | undefined
  let output = ''

  writeFileSync(
    file('control.json'),
    JSON.stringify({ slotId: 'slot-1', linkUrl, bootstrapToken: 'bootstrap-token', port: 0 }),
  )

  return {
    directory,
    file,
    output: () => output,
    /** Writes what it says to the file that is given, and into `output` else. */
    start(log: number | 'pipe' = 'pipe') {
      output = ''
      supervisor = spawn(process.execPath, [entry], {
        env: {
          PATH: `${dirname(process.execPath)}:/usr/bin:/bin`,
          REEF_SLOT_DIR: directory,
          SECRET_OF_THE_CONTROL_PLANE: 'never-passed-on',
        },
        stdio: ['ignore', log, log],
      })
      for (const stream of [supervisor.stdout, supervisor.stderr])
        stream?.setEncoding('utf8').on('data', (chunk: string) => {
          output += chunk
        })
      return supervisor
    },
    /** Resolves with the exit code. */
    async ended(): Promise<number | null> {
      if (!supervisor || supervisor.exitCode !== null || supervisor.signalCode !== null)
        return supervisor?.exitCode ?? null
      const [code] = await once(supervisor, 'exit')
      return code as number | null
    },
    async kill() {
      supervisor?.kill('SIGKILL')
      await this.ended()
    },
    openclawPid: (): number => JSON.parse(readFileSync(file('openclaw.pid.json'), 'utf8')).pid,
    address(): string {
      const match = /listens on ([\d.]+:\d+)/.exec(output)
      if (!match) throw new Error(`The supervisor does not listen yet:\n${output}`)
      return `http://${match[1]}`
    },
    headers: (route: SupervisorRoute): Record<string, string> => ({
      [proxyTokenHeader]: proxyToken,
      [routeHeader]: route,
      'content-type': 'application/json',
    }),
    async dispose() {
      supervisor?.kill('SIGKILL')
      await killLeftovers(openSlotFiles(directory))
      rmSync(directory, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}

/** Polls until `check` gives something, and fails with what it was about. */
export async function eventually<T>(
  what: string,
  check: () => T | Promise<T>,
  withinMs = 150_000,
): Promise<NonNullable<T>> {
  const deadline = Date.now() + withinMs
  for (;;) {
    const value = await check()
    if (value) return value
    if (Date.now() > deadline) throw new Error(`Waited in vain: ${what}`)
    await sleep(25)
  }
}
