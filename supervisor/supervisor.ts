import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { createActivity } from './activity.ts'
import { backoffMs } from './backoff.ts'
import { createPersistence } from './backup/persistence.ts'
import { listActiveSessionKeys, tellOwner } from './conversation-service.ts'
import { createDiskWatch } from './disk.ts'
import { drainOpenClaw } from './drain.ts'
import type { SupervisorEnvironment } from './environment.ts'
import { createLink, type Status } from './link.ts'
import { createLogBuffer } from './log-buffer.ts'
import { createModelRelay } from './model-relay.ts'
import { createOpenClaw } from './openclaw.ts'
import { killLeftovers, openclawVersion } from './openclaw-child.ts'
import { mergeConfig } from './openclaw-config.ts'
import type { Desired } from './protocol.ts'
import { withSecrets } from './secrets-config.ts'
import { createSecretsKeeper } from './secrets-keeper.ts'
import { createServedClock } from './served-clock.ts'
import { createPortServer } from './server.ts'
import { openSlotFiles } from './slot-files.ts'
import { createUsageMeter } from './usage.ts'
import { forgetWarmUp, warmUp } from './warm-up.ts'

const supervisorVersion = '0.1.0'

export interface Supervisor {
  /** Drains and stops everything; a second call joins the first. */
  stop(reason: string, graceSeconds?: number): Promise<void>
  /** Resolves when everything has ended. */
  readonly ended: Promise<void>
}

const bufferedLinesMax = 5_000
/**
 * For the first turn after a boot: that somebody waits for, and OpenClaw's first answers to questions about itself take it
 * seconds.
 */
const unaskedMs = 10_000
const warmUpLimits = { minMs: 1_000, maxMs: 30_000 }
/** For OpenClaw's orderly end once nothing is under way; 0.4 to 2.3 s were measured. */
const orderlyEndMs = 8_000
const linkCloseMs = 1_000
const restartPollMs = 100
/** For the state as it is when the slot ends. */
const lastCheckpointMs = 10_000
/** The control plane stops a machine whose disk is full within a second or two; after this it does so itself. */
const diskFullMs = 15_000
/** A machine is told to end and its supervisor is told why at about the same time. */
const noticeMs = 250
/** When nobody said how long, as with a SIGTERM before the first welcome. */
const defaultGraceSeconds = 10

/** Brings what the control plane wants and what OpenClaw does together, for one slot. */
export async function startSupervisor(
  environment: SupervisorEnvironment,
  print: (line: string) => void,
): Promise<Supervisor> {
  const files = openSlotFiles(environment.slotDirectory, environment.slotLayout, (text) => log(text))
  const logs = createLogBuffer(bufferedLinesMax)
  const measureUsage = createUsageMeter()
  const activity = createActivity()
  const modelRelayToken = randomBytes(32).toString('base64url')
  const ended = Promise.withResolvers<void>()
  let desired: Desired | null = null
  /** The OpenClaw process that has its slow first turn behind it. */
  let warmGeneration = 0
  let warming = false
  let turnsInFlight = 0
  /** When the OpenClaw process of which generation became ready. */
  let readySince = { generation: 0, at: Number.NEGATIVE_INFINITY }
  let restarting = false
  let restoring = false
  let stopping: Promise<void> | null = null
  /** The control plane does not answer, or knows this slot no more. */
  let isOver = false
  const noticed = Promise.withResolvers<string | null>()
  let diskFull: NonNullable<Status['failure']> | null = null

  function log(message: string): void {
    const text = secrets.redact(message)
    print(text)
    logs.add('supervisor', text)
    link.logsChanged()
  }

  const secrets = createSecretsKeeper({
    slotDirectory: environment.slotDirectory,
    readGateway: () => openclaw.gateway,
    log,
  })
  const readControlOrigin = () => new URL(environment.readControl().linkUrl.replace(/^ws/, 'http')).origin
  const modelRelay = createModelRelay({
    token: modelRelayToken,
    readModels: () => desired?.models ?? null,
    readControlOrigin,
    onTurnEnded: () => {
      if (desired?.owner && !restoring) persistence.checkpoints.turnEnded()
    },
  })

  const child = {
    variables: { ...environment.openclawVariables },
    onLine: (text: string) => {
      logs.add('openclaw', secrets.redact(text))
      link.logsChanged()
    },
  }
  const openclaw = createOpenClaw({
    files,
    log,
    child,
    configure: (port) => void writeConfig(port),
    onChange: () => {
      if (openclaw.state.phase === 'ready') {
        const { generation } = openclaw
        if (readySince.generation !== generation) readySince = { generation, at: performance.now() }
        reconfigure()
        secrets.ready()
        void warmUpIfUnowned()
      }
      link.statusChanged()
    },
  })

  const memory = files.readMemory()
  const servedClock = createServedClock({
    kept: { run: memory.servedRun, ms: memory.servedMs },
    isServing: () => openclaw.state.phase === 'ready',
    keep: ({ ms }) => files.updateMemory({ servedMs: ms }),
  })

  const link = createLink({
    files,
    logs,
    log,
    openclawVersion,
    supervisorVersion,
    readControl: environment.readControl,
    readStatus,
    readUsage: async () => {
      const isAsked = performance.now() - readySince.at > unaskedMs
      return {
        ...(await measureUsage(openclaw.pid)),
        // Not to be let down before it could be asked.
        turnsInFlight: isAsked ? await countTurns() : 1,
        ...(await activity.read(isAsked ? openclaw.gateway : null)),
      }
    },
    readServed: servedClock.read,
    onDesired: apply,
    onCall: (method, params) => persistence.onCall(method, params),
    onOver: (reason) => {
      isOver = true
      void stop(reason)
    },
  })

  const persistence = createPersistence({
    slotDirectory: environment.slotDirectory,
    supervisorVersion,
    openclaw,
    child: { files, ...child },
    onDrill: (variables) => Object.assign(child.variables, variables),
    readDesired: () => desired,
    readControlOrigin,
    countTurns,
    stopOpenClaw: async () => {
      await drain(desired?.graceSeconds ?? defaultGraceSeconds)
      await openclaw.stop(orderlyEndMs)
    },
    beforeStart: markRestartApplied,
    isStopping: () => stopping !== null,
    log,
  })

  const server = createPortServer({
    readDesired: () => desired,
    readOpenClaw: () =>
      openclaw.state.phase === 'ready' && !restoring
        ? { port: openclaw.port, password: files.readMemory().gatewayPassword }
        : null,
    reachGateway: openclaw.reach,
    activity,
    log,
  })

  const diskWatch = createDiskWatch({
    directory: environment.slotDirectory,
    readBytesMax: () => desired?.diskBytesMax ?? null,
    readExempt: () => persistence.scratchInUse(),
    onFull: endWithFullDisk,
    log,
  })

  function readStatus(): Status {
    const { phase } = openclaw.state
    const failure = diskFull ?? openclaw.state.failure
    const ready = phase === 'ready' && stopping === null && !restoring && diskFull === null
    return {
      phase: publicPhase(),
      ready,
      warm: ready && warmGeneration === openclaw.generation,
      appliedRestartGeneration: files.readMemory().appliedRestartGeneration,
      failure,
    }
  }

  function publicPhase(): Status['phase'] {
    if (stopping) return 'draining'
    if (diskFull) return 'failed'
    if (restarting || restoring) return 'restarting'
    switch (openclaw.state.phase) {
      case 'failed':
        return 'failed'
      case 'ready':
        return warming ? 'warming' : 'ready'
      default:
        return 'booting'
    }
  }

  /** As last known when OpenClaw is too busy to say. */
  async function countTurns(): Promise<number> {
    const { gateway } = openclaw
    turnsInFlight = gateway
      ? await listActiveSessionKeys(gateway).then(
          (keys) => keys.length,
          () => turnsInFlight,
        )
      : 0
    return turnsInFlight
  }

  function writeConfig(port: number): boolean {
    if (!desired) throw new Error('There is nothing to configure before the first welcome.')
    const config = mergeConfig(files.readConfig() ?? {}, desired, {
      port,
      password: files.readMemory().gatewayPassword,
      modelRelayUrl: modelRelay.url,
      modelRelayToken,
      workspaceDirectory: files.paths.workspace,
      logFile: files.paths.openclawLog,
    })
    return files.writeConfig(withSecrets(config, secrets.paths))
  }

  /** The whole truth each time: whatever differs from what is the case is brought about. */
  function apply(next: Desired): void {
    if (next.run === 'stop') noticed.resolve(next.notice ?? null)
    if (stopping || diskFull) return
    const changed = JSON.stringify(next) !== JSON.stringify(desired)
    desired = next
    if (next.run === 'run') secrets.take(next.secrets ?? [])
    if (next.run === 'stop') {
      void stop('The control plane asked for it.', next.graceSeconds)
      return
    }
    if (restoring) return
    if (next.restore && persistence.restores.isOpen(next.restore.id)) {
      void restore(next.restore.id)
      return
    }
    if (openclaw.state.phase === 'stopped' || (openclaw.state.phase === 'failed' && changed)) {
      markRestartApplied()
      openclaw.start()
      return
    }
    if (next.restartGeneration > files.readMemory().appliedRestartGeneration) void restart()
    else if (changed) reconfigure()
  }

  /** While it runs OpenClaw watches the file and takes the change up by itself. */
  function reconfigure(): void {
    try {
      if (openclaw.port !== 0 && writeConfig(openclaw.port))
        log('Configuration written; OpenClaw reloads it.')
    } catch (error) {
      log(`openclaw.json could not be changed: ${error instanceof Error ? error.message : String(error)}`)
    }
  }

  async function restart(): Promise<void> {
    if (restarting) return
    restarting = true
    link.statusChanged()
    log('Restarting OpenClaw, as the control plane asked.')
    await drain(desired?.graceSeconds ?? defaultGraceSeconds)
    await openclaw.stop(orderlyEndMs)
    restarting = false
    if (stopping || diskFull) return
    markRestartApplied()
    openclaw.start()
  }

  /** Until it is over the slot is not ready and nothing else of `desired` is brought about. */
  async function restore(id: string): Promise<void> {
    restoring = true
    link.statusChanged()
    log('Restoring a backup, as the control plane asked.')
    while (restarting) await sleep(restartPollMs)
    await persistence.restores.apply(id)
    restoring = false
    link.statusChanged()
    if (stopping || diskFull || !desired) return
    if (desired.restore?.id !== id || !persistence.restores.isOpen(id)) apply(desired)
    else openclaw.start()
  }

  function markRestartApplied(): void {
    files.updateMemory({ appliedRestartGeneration: desired?.restartGeneration ?? 0 })
  }

  async function warmUpIfUnowned(): Promise<void> {
    if (warming) return
    warming = true
    for (let attempt = 0; desired && !desired.owner && !stopping; attempt++) {
      const { gateway, generation } = openclaw
      if (!gateway || warmGeneration === generation) break
      const startedAt = performance.now()
      try {
        await warmUp(openclaw.reach, {
          port: openclaw.port,
          password: files.readMemory().gatewayPassword,
          model: desired.models.warmup,
        })
        warmGeneration = generation
        log(`Warmed up in ${Math.round(performance.now() - startedAt)} ms.`)
        break
      } catch (error) {
        log(`The warm-up failed: ${error instanceof Error ? error.message : String(error)}`)
        await sleep(backoffMs(attempt, warmUpLimits), undefined, { ref: false })
      }
    }
    warming = false
    link.statusChanged()
  }

  /**
   * What writes is OpenClaw or what it started, so it ends at once and by force. It stays ended: only the next start of
   * the machine, which its owner asks for, begins again. What has got away from OpenClaw ends with the machine.
   */
  function endWithFullDisk(message: string): void {
    if (stopping) return
    diskFull = { code: 'disk_full', message }
    // Before anybody is told: the watch does not look again, whatever goes wrong with the telling.
    void openclaw.stop(0)
    setTimeout(() => void stop('The disk of this instance is full.', 0), diskFullMs).unref()
    log(message)
    link.statusChanged()
  }

  /** Whether what lies here is its owner's: not while a backup is still to be put in its place. */
  function isOwnState(): boolean {
    if (!desired?.owner || restoring) return false
    return !desired.restore || !persistence.restores.isOpen(desired.restore.id)
  }

  /** Best effort, like draining; an instance that serves nobody has nobody to tell. */
  async function giveNotice(): Promise<void> {
    const { gateway } = openclaw
    if (!gateway || !desired?.owner) return
    const notice = await Promise.race([noticed.promise, sleep(noticeMs, null)])
    if (notice)
      await tellOwner(gateway, notice).catch((error: unknown) =>
        log(`Its owner was not told: ${error instanceof Error ? error.message : String(error)}`),
      )
  }

  async function drain(graceSeconds: number): Promise<void> {
    if (!openclaw.gateway) return
    const { gateway } = openclaw
    await forgetWarmUp(gateway)
      .then(() => drainOpenClaw(gateway, graceSeconds))
      .catch((error: unknown) =>
        log(`Draining was cut short: ${error instanceof Error ? error.message : String(error)}`),
      )
  }

  function stop(reason: string, graceSeconds = desired?.graceSeconds ?? defaultGraceSeconds): Promise<void> {
    stopping ??= (async () => {
      log(`Stopping: ${reason}`)
      diskWatch.close()
      server.drain()
      link.statusChanged()
      await giveNotice()
      persistence.expectEnd()
      await drain(graceSeconds)
      await openclaw.stop(orderlyEndMs)
      log('OpenClaw has ended.')
      if (isOwnState()) await persistence.checkpoints.saveLast(lastCheckpointMs, { onlyTurns: isOver })
      await server.close()
      await modelRelay.close()
      await link.close(linkCloseMs)
      servedClock.close()
      secrets.clear()
      ended.resolve()
    })()
    return stopping
  }

  // Nobody has let an orphan of an earlier supervisor run: it ends before anything else.
  const orphans = await killLeftovers(files)
  await persistence.restores.recover()
  await modelRelay.listen()
  const port = await server.listen(environment.host, environment.port)
  log(
    `Reef supervisor ${supervisorVersion} with OpenClaw ${openclawVersion} listens on ${environment.host}:${port}.`,
  )
  if (orphans > 0) log(`Ended ${orphans} processes of an OpenClaw that lost its supervisor.`)
  link.start()
  return { stop, ended: ended.promise }
}
