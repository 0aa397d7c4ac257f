import { createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { backoffMs } from './backoff.ts'
import { connectGateway, GatewayCallError, type GatewayClient } from './gateway-client.ts'
import { countMemoryKills } from './memory-kills.ts'
import {
  type ChildSettings,
  identify,
  killLeftovers,
  type OpenClawChild,
  startOpenClaw,
} from './openclaw-child.ts'
import type { SlotFiles } from './slot-files.ts'
import { clearStaleOwnerLease } from './stale-lease.ts'

/** OpenClaw kept running: started, watched, started again after a crash, stopped. */
export interface OpenClaw {
  /** Idempotent. Also tries again at once after a failure that only a change can mend. */
  start(): void
  /** Ends it in an orderly way within `waitMs`, then by force, and keeps it stopped. */
  stop(waitMs: number): Promise<void>
  readonly state: OpenClawState
  /** Null unless it is ready, and for milliseconds while the connection is renewed. */
  readonly gateway: GatewayClient | null
  /** Waits while the connection is renewed; throws a `GatewayCallError` when OpenClaw is not ready. */
  reach(): Promise<GatewayClient>
  readonly port: number
  readonly pid: number | null
  /** Rises with every process that is started. */
  readonly generation: number
}

export interface OpenClawState {
  phase: 'stopped' | 'booting' | 'ready' | 'failed'
  failure: Failure | null
}

export interface Failure {
  code: 'crashed' | 'configuration_invalid' | 'never_ready'
  message: string
}

export interface OpenClawDependencies {
  files: SlotFiles
  child: Omit<ChildSettings, 'files'>
  /** Writes OpenClaw's configuration for this port, before every boot. Throws when the file cannot be understood. */
  configure(port: number): void
  log(text: string): void
  onChange(): void
}

/** OpenClaw's own documentation: exit code 78 is an invalid configuration (EX_CONFIG). */
const configurationExitCode = 78
/** Ten times the slowest boot that was measured. */
const bootMaxMs = 180_000
const probeEveryMs = 50
/** Within this a lost gateway connection is a renewed sign-in and no restart. */
const reconnectMs = 1_000
/** A process that ran this long was well: the next crash starts counting anew. */
const healthyAfterMs = 60_000
const restartLimits = { minMs: 250, maxMs: 30_000 }
const configurationMessage =
  "OpenClaw refuses its configuration and could not repair it. Undo the last change to the instance's openclaw.json, then restart the instance."

export function createOpenClaw(deps: OpenClawDependencies): OpenClaw {
  const { files, log } = deps
  const childSettings: ChildSettings = { files, ...deps.child }
  let state: OpenClawState = { phase: 'stopped', failure: null }
  let gateway: GatewayClient | null = null
  let child: OpenClawChild | null = null
  let port = 0
  let wanted = false
  let running: Promise<void> | null = null
  let generation = 0
  let memoryKillsBefore = 0
  // Ends a pause between two attempts early.
  let wake = () => {}

  function become(phase: OpenClawState['phase'], failure: Failure | null): void {
    state = { phase, failure }
    deps.onChange()
  }

  async function run(): Promise<void> {
    let crashes = 0
    while (wanted) {
      become('booting', state.failure)
      generation += 1
      const startedAt = Date.now()
      const outcome = await bootAndWatch()
      gateway = null
      if (!wanted) break
      if (outcome.code === 'configuration_invalid') {
        become('failed', outcome)
        // Only a change can help, and `start` is called for each.
        await pause(null)
        continue
      }
      crashes = Date.now() - startedAt > healthyAfterMs ? 0 : crashes + 1
      const delayMs = backoffMs(crashes, restartLimits)
      log(`${outcome.message} Starting it again in ${delayMs} ms.`)
      // One crash is mended by the next boot; only a row of them is a failure to tell the user about.
      become(crashes > 2 ? 'failed' : 'booting', crashes > 2 ? outcome : null)
      await pause(delayMs)
    }
    become('stopped', null)
  }

  async function pause(delayMs: number | null): Promise<void> {
    const woken = Promise.withResolvers<void>()
    wake = woken.resolve
    const timer = delayMs === null ? undefined : setTimeout(woken.resolve, delayMs)
    await woken.promise
    clearTimeout(timer)
  }

  /** One life of the process, from configuration to its end. */
  async function bootAndWatch(): Promise<Failure> {
    for (const repaired of [false, true]) {
      const code = await configureAndRun()
      if (code !== configurationExitCode) return explainEnd(code)
      if (repaired || !wanted) break
      log('OpenClaw refuses its configuration; running its own repair once.')
      await repair()
    }
    return { code: 'configuration_invalid', message: configurationMessage }
  }

  async function configureAndRun(): Promise<number | null | 'never_ready'> {
    await killLeftovers(files)
    port = await freePort()
    try {
      deps.configure(port)
    } catch (error) {
      log(`openclaw.json cannot be read: ${error instanceof Error ? error.message : String(error)}`)
      return configurationExitCode
    }
    await waitOutOwnerLease()
    if (!wanted) return null
    memoryKillsBefore = countMemoryKills()
    const started = startOpenClaw(childSettings, ['gateway'])
    child = started
    files.writeOpenClawProcess(await identify(started.pid))
    const neverReady = await follow(started)
    if (neverReady) await killLeftovers(files)
    const code = await started.exited
    child = null
    // Helpers that outlived it hold the state directory.
    await killLeftovers(files)
    files.writeOpenClawProcess(null)
    return neverReady ? 'never_ready' : code
  }

  async function waitOutOwnerLease(): Promise<void> {
    let waitMs = clearStaleOwnerLease(files.paths.state, Date.now())
    if (waitMs > 0) log(`A lease from another host is still fresh; waiting up to ${waitMs} ms for its owner.`)
    while (waitMs > 0 && wanted) {
      await sleep(Math.min(waitMs, 1_000))
      waitMs = clearStaleOwnerLease(files.paths.state, Date.now())
    }
  }

  /**
   * Follows the process until it ends. Its gateway connection ends too when a setting demands that every client signs
   * in anew, and comes back within milliseconds; only when it does not is OpenClaw restarting inside its process, and
   * counts as booting until it answers again. True when it never came up.
   */
  async function follow(started: OpenClawChild): Promise<boolean> {
    let ended = false
    const exited = started.exited.then(() => {
      ended = true
    })
    let disconnectedAt = Date.now()
    while (!ended) {
      const connected = await tryConnect()
      if (connected) {
        gateway = connected
        become('ready', null)
        await Promise.race([connected.closed, exited])
        gateway = null
        disconnectedAt = Date.now()
        continue
      }
      const goneMs = Date.now() - disconnectedAt
      if (goneMs > bootMaxMs) return true
      if (state.phase === 'ready' && wanted && goneMs > reconnectMs) become('booting', null)
      await Promise.race([sleep(probeEveryMs), exited])
    }
    return false
  }

  async function tryConnect(): Promise<GatewayClient | null> {
    return (await isStarted(port)) ? connectGateway(port, password()).catch(() => null) : null
  }

  function password(): string {
    return files.readMemory().gatewayPassword
  }

  async function repair(): Promise<void> {
    const doctor = startOpenClaw(childSettings, ['doctor', '--fix', '--yes', '--non-interactive'])
    child = doctor
    files.writeOpenClawProcess(await identify(doctor.pid))
    await Promise.race([doctor.exited, sleep(bootMaxMs, undefined, { ref: false })])
    child = null
    await killLeftovers(files)
  }

  function explainEnd(code: number | null | 'never_ready'): Failure {
    if (code === 'never_ready')
      return {
        code: 'never_ready',
        message: `OpenClaw did not become ready within ${bootMaxMs / 1000} seconds.`,
      }
    if (code === null && countMemoryKills() > memoryKillsBefore)
      return {
        code: 'crashed',
        message: 'OpenClaw was killed because the instance used all of its memory.',
      }
    return {
      code: 'crashed',
      message: code === null ? 'OpenClaw was killed.' : `OpenClaw ended with exit code ${code}.`,
    }
  }

  return {
    start() {
      wanted = true
      wake()
      running ??= run().finally(() => {
        running = null
      })
    },
    async stop(waitMs) {
      wanted = false
      wake()
      child?.terminate()
      if (!running) return
      await Promise.race([running, sleep(waitMs, undefined, { ref: false })])
      await killLeftovers(files)
      await running
    },
    async reach() {
      while (!gateway && state.phase === 'ready') await sleep(5)
      if (!gateway) throw new GatewayCallError('DISCONNECTED', 'OpenClaw is not ready.')
      return gateway
    },
    get state() {
      return state
    },
    get gateway() {
      return gateway
    },
    get port() {
      return port
    },
    get generation() {
      return generation
    },
    get pid() {
      return child?.pid ?? null
    },
  }
}

/** Its own answer, not the status alone: the Control UI answers unknown paths with 200. */
async function isStarted(port: number): Promise<boolean> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/startupz`, { signal: AbortSignal.timeout(5_000) })
    const body = (await response.json()) as { status?: unknown }
    return body.status === 'started'
  } catch {
    return false
  }
}

/** Free now; should another program take it before OpenClaw does, the boot fails and the next one asks again. */
async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((done, fail) => server.once('error', fail).listen(0, '127.0.0.1', done))
  const address = server.address()
  await new Promise((done) => server.close(done))
  if (address === null || typeof address === 'string') throw new Error('The system gave no port.')
  return address.port
}
