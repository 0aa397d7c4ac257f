import { type ChildProcess, spawn } from 'node:child_process'
import { open, readFile, rm, writeFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import type { IngressPlan } from '../../ingress.ts'
import { CliError } from '../failure.ts'
import type { Caddy } from './caddy.ts'
import { ingressDirectory, writeIngressConfig } from './ingress-config.ts'

/** A Caddy that runs in front of Reef and is started again when it dies. */
export interface Ingress {
  readonly pid: number | undefined
  stop(): Promise<void>
}

export interface IngressOptions {
  caddy: Caddy
  /** One sentence for the operator, when Caddy died or came back. */
  onNotice(notice: string): void
}

/** How soon a Caddy that died is started again: at once, then ever more slowly. */
const restartMilliseconds = [0, 500, 2_000, 10_000]
/** A Caddy that lived this long had not died of its configuration. */
const healthyMilliseconds = 60_000
const readyMillisecondsMax = 20_000
/** Longer than `grace_period` in the Caddyfile. */
const stopMillisecondsMax = 6_000

/** Writes the configuration and starts Caddy. Resolves when it listens; throws with Caddy's own last words. */
export async function startIngress(plan: IngressPlan, options: IngressOptions): Promise<Ingress> {
  await endLeftover(plan.dataDirectory)
  for (const [key, port] of [
    ['REEF_INGRESS_HTTPS_PORT', plan.httpsPort],
    ['REEF_INGRESS_HTTP_PORT', plan.httpPort],
  ] as const)
    await checkPort(key, plan.host, port)
  const configPath = await writeIngressConfig(plan, await freePort())
  const logPath = join(ingressDirectory(plan.dataDirectory), 'caddy.log')
  const log = await open(logPath, 'a', 0o600)
  let child: ChildProcess | undefined
  let stopping = false
  let attempt = 0
  let retry: NodeJS.Timeout | undefined

  const run = async (): Promise<void> => {
    const startedAt = performance.now()
    const current = spawn(options.caddy.path, ['run', '--config', configPath, '--adapter', 'caddyfile'], {
      stdio: ['ignore', log.fd, log.fd],
      // Whatever Caddy writes of itself lies with the rest of Reef's data, and none of Reef's settings are its business.
      env: { PATH: process.env.PATH, HOME: ingressDirectory(plan.dataDirectory) },
    })
    child = current
    current.once('error', () => undefined)
    current.once('exit', (code, signal) => {
      if (stopping) return
      if (performance.now() - startedAt > healthyMilliseconds) attempt = 0
      const wait = restartMilliseconds[Math.min(attempt, restartMilliseconds.length - 1)] as number
      attempt += 1
      options.onNotice(`Caddy ended (${signal ?? code}) and is started again; see ${logPath}.`)
      retry = setTimeout(() => void run(), wait)
    })
    if (current.pid !== undefined) await writeFile(pidFile(plan.dataDirectory), String(current.pid))
  }

  const stop = async (): Promise<void> => {
    stopping = true
    clearTimeout(retry)
    if (child) await end(child)
    await rm(pidFile(plan.dataDirectory), { force: true })
    await log.close().catch(() => undefined)
  }

  await run()
  try {
    await untilListening(plan, () => attempt > 1)
  } catch {
    await stop()
    throw new CliError('failed', `Caddy does not start. It said (${logPath}):\n${await lastLines(logPath)}`)
  }
  return {
    get pid() {
      return child?.pid
    },
    stop,
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return
  const exited = new Promise<void>((done) => child.once('exit', () => done()))
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), stopMillisecondsMax)
  await exited
  clearTimeout(timer)
}

/** A Reef that was killed could not stop its Caddy, which still holds the ports and an old configuration. */
async function endLeftover(dataDirectory: string): Promise<void> {
  const pid = Number(await readFile(pidFile(dataDirectory), 'utf8').catch(() => ''))
  if (!Number.isInteger(pid) || pid <= 1) return
  // The number may be another process's by now: only what was started with our configuration is ours.
  const commandLine = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
  if (!commandLine.includes(join(ingressDirectory(dataDirectory), 'Caddyfile'))) return
  process.kill(pid, 'SIGTERM')
  const deadline = performance.now() + stopMillisecondsMax
  while (performance.now() < deadline) {
    await new Promise((done) => setTimeout(done, 50))
    const isLeft = await readFile(`/proc/${pid}/cmdline`, 'utf8').then(
      (text) => text !== '',
      () => false,
    )
    if (!isLeft) return
  }
  process.kill(pid, 'SIGKILL')
}

function pidFile(dataDirectory: string): string {
  return join(ingressDirectory(dataDirectory), 'caddy.pid')
}

async function checkPort(key: string, host: string, port: number): Promise<void> {
  const problem = await new Promise<string | undefined>((done) => {
    const server = createServer()
    server.once('error', (error: NodeJS.ErrnoException) => done(error.code ?? error.message))
    server.listen(port, host || undefined, () => server.close(() => done(undefined)))
  })
  if (problem === 'EACCES')
    throw new CliError(
      'failed',
      `This user may not listen on port ${port}. Allow it (sudo setcap cap_net_bind_service=+ep $(which caddy) $(which node)), ` +
        `or choose one above 1023: ${key}=8443`,
    )
  if (problem !== undefined)
    throw new CliError(
      'failed',
      `The ingress cannot listen on port ${port} (${problem}). Stop what does, or choose another: ${key}=NUMBER`,
    )
}

function freePort(): Promise<number> {
  return new Promise((done, fail) => {
    const server = createServer()
    server.once('error', fail)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => done(port))
    })
  })
}

async function untilListening(plan: IngressPlan, hasFailed: () => boolean): Promise<void> {
  const deadline = performance.now() + readyMillisecondsMax
  for (;;) {
    if (await answers(plan.host || '127.0.0.1', plan.httpsPort)) return
    if (hasFailed() || performance.now() > deadline) throw new Error('not ready')
    await new Promise((done) => setTimeout(done, 50))
  }
}

function answers(host: string, port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect(port, host)
    socket.once('connect', () => {
      socket.destroy()
      done(true)
    })
    socket.once('error', () => done(false))
  })
}

async function lastLines(path: string): Promise<string> {
  const text = await readFile(path, 'utf8').catch(() => '')
  return text.trim().split('\n').slice(-5).join('\n')
}
