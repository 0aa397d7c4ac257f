import { type ChildProcess, spawn } from 'node:child_process'
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort } from './free-port.ts'

/** Reef as a person runs it: `reef up` in a process of its own, with real PostgreSQL and real OpenClaw. */
export interface ReefProcess {
  readonly url: string
  readonly proxyUrl: string
  readonly dataDirectory: string
  readonly pid: number
  /** What it printed so far. */
  output(): string
  /** kill -9 of the control plane alone; its instances and its database go on. Resolves once it is gone. */
  kill(): Promise<void>
  /** Starts it again on the same data directory, with other settings beside those of the first start if given. */
  restart(environment?: Record<string, string>): Promise<void>
  /** Ctrl-C; the data directory stays. */
  stop(): Promise<void>
  /** Ctrl-C, then removes the data directory. */
  close(): Promise<void>
}

const root = fileURLToPath(new URL('../..', import.meta.url))

/** Starting includes making a database, on a busy machine. */
const startMillisecondsMax = 120_000

export async function startReefProcess(environment: Record<string, string> = {}): Promise<ReefProcess> {
  const dataDirectory = await mkdtemp(join(tmpdir(), 'reef-e2e-'))
  // PostgreSQL runs as another user when the tests run as root.
  await chmod(dataDirectory, 0o755)
  let child: ChildProcess
  let output = ''
  const urls = { url: '', proxyUrl: '' }
  // Not the default ones: other tests start a Reef at the same time.
  const port = environment.REEF_PORT ?? String(await freePort())
  const proxyPort = String(await freePort())

  const start = async (changed: Record<string, string> = {}): Promise<void> => {
    output = ''
    child = spawn(process.execPath, ['src/cli/main.ts', 'up'], {
      cwd: root,
      env: {
        PATH: process.env.PATH,
        HOME: process.env.HOME,
        TERM: 'dumb',
        REEF_DATA_DIR: dataDirectory,
        REEF_PORT: port,
        REEF_PROXY_PORT: proxyPort,
        ...environment,
        ...changed,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (chunk: Buffer) => {
        output += chunk
      })
    const deadline = Date.now() + startMillisecondsMax
    for (;;) {
      // Behind an ingress it prints the public address; the API's own answers plain HTTP all the same.
      const url = output.includes('Reef is ready') ? `http://127.0.0.1:${port}` : undefined
      if (url && (await fetch(`${url}/readyz`).catch(() => undefined))?.ok) {
        const info = (await (await fetch(`${url}/api/info`)).json()) as { proxyUrl: string }
        Object.assign(urls, { url, proxyUrl: info.proxyUrl })
        return
      }
      if (child.exitCode !== null || Date.now() > deadline)
        throw new Error(`reef up did not become ready. It printed:\n${output}`)
      await new Promise((done) => setTimeout(done, 100))
    }
  }
  const exited = () =>
    new Promise<void>((done) => {
      if (child.exitCode !== null || child.signalCode !== null) done()
      else child.once('exit', () => done())
    })

  const stop = async (): Promise<void> => {
    child.kill('SIGINT')
    const timer = setTimeout(() => child.kill('SIGKILL'), 60_000)
    await exited()
    clearTimeout(timer)
  }

  await start()
  return {
    get url() {
      return urls.url
    },
    get proxyUrl() {
      return urls.proxyUrl
    },
    get pid() {
      return child.pid as number
    },
    dataDirectory,
    output: () => output,
    kill: async () => {
      child.kill('SIGKILL')
      await exited()
    },
    restart: start,
    stop,
    close: async () => {
      await stop()
      if (process.env.REEF_TEST_KEEP) process.stderr.write(`kept ${dataDirectory}\n`)
      else await rm(dataDirectory, { recursive: true, force: true })
    },
  }
}

/** The last lines of Reef's own log, for the message of a failing test. */
export async function readReefLog(reef: ReefProcess, lines = 40): Promise<string> {
  const text = await readFile(join(reef.dataDirectory, 'reef.log'), 'utf8').catch(() => '')
  return text.split('\n').slice(-lines).join('\n')
}
