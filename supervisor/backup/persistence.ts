import { relative } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { createConversationService } from '../conversation-service.ts'
import type { OpenClaw } from '../openclaw.ts'
import { type ChildSettings, openclawVersion, startOpenClaw } from '../openclaw-child.ts'
import type { Desired } from '../protocol.ts'
import { backupOrderSchema, backupScratch, createBackups } from './backups.ts'
import { type Checkpoints, createCheckpoints } from './checkpoints.ts'
import { createControlClient } from './control-client.ts'
import type { RunOpenClaw } from './openclaw-source.ts'
import { createRestores, type Restores, restoreScratch } from './restores.ts'

/** Backups, checkpoints and restores of one slot, as the rest of the supervisor uses them. */
export interface Persistence {
  restores: Restores
  checkpoints: Checkpoints
  /** OpenClaw is about to end: what the last checkpoint says of it is asked while it answers. */
  expectEnd(): void
  /** Folders of the slot's directory that hold nothing but what a backup or a restore is at work on. */
  scratchInUse(): readonly string[]
  /** Answers a call of the control plane. */
  onCall(method: string, params: unknown): Promise<unknown>
}

export interface PersistenceDependencies {
  slotDirectory: string
  supervisorVersion: string
  openclaw: OpenClaw
  child: ChildSettings
  /** Added to what OpenClaw sees of the environment when the state is only being tried. */
  onDrill(variables: Record<string, string>): void
  readDesired(): Desired | null
  readControlOrigin(): string
  countTurns(): Promise<number>
  /** Lets turns end and stops OpenClaw. */
  stopOpenClaw(): Promise<void>
  beforeStart(): void
  isStopping(): boolean
  log(text: string): void
}

/** As long as OpenClaw itself may take to boot, and a little. */
const bootMaxMs = 200_000
const pollMs = 100
const scratchNames = [...backupScratch, restoreScratch]
/** A drill may not read anybody's channel or run anybody's timer: the same state is at work elsewhere. */
const drillVariables = {
  OPENCLAW_SKIP_CHANNELS: '1',
  OPENCLAW_SKIP_CRON: '1',
  OPENCLAW_SKIP_GMAIL_WATCHER: '1',
}

export function createPersistence(deps: PersistenceDependencies): Persistence {
  const { slotDirectory, openclaw, log } = deps
  const places = { slotDirectory, configPath: relative(slotDirectory, deps.child.files.paths.config) }
  const control = createControlClient(() => {
    const slot = deps.readDesired()?.slot
    if (!slot) throw new Error('The control plane has not said where backups go.')
    return { origin: deps.readControlOrigin(), slot }
  })
  const conversations = createConversationService(openclaw.reach)
  let conversationCount = 0

  /** As last known when OpenClaw does not answer. */
  function countConversations(): Promise<number> {
    return conversations.list().then(
      (list) => {
        conversationCount = list.length
        return conversationCount
      },
      () => conversationCount,
    )
  }

  const runOpenClaw: RunOpenClaw = async (argv) => {
    const lines: string[] = []
    const child = startOpenClaw({ ...deps.child, onLine: (line) => lines.push(line) }, argv)
    const code = await child.exited
    return { code, output: lines.join('\n') }
  }

  async function startAndWatch({ drill }: { drill: boolean }): Promise<boolean> {
    if (drill) deps.onDrill(drillVariables)
    deps.beforeStart()
    openclaw.start()
    const deadline = Date.now() + bootMaxMs
    while (Date.now() < deadline && !deps.isStopping()) {
      if (openclaw.state.phase === 'ready') return true
      if (openclaw.state.phase === 'failed') return false
      await sleep(pollMs)
    }
    return false
  }

  const backups = createBackups({
    places,
    control,
    runOpenClaw,
    countTurns: deps.countTurns,
    countConversations,
    openclawVersion,
    supervisorVersion: deps.supervisorVersion,
    log,
  })

  return {
    restores: createRestores({
      places,
      control,
      exclusively: backups.exclusively,
      stopOpenClaw: deps.stopOpenClaw,
      startOpenClaw: startAndWatch,
      isWanted: (id) => !deps.isStopping() && deps.readDesired()?.restore?.id === id,
      log,
    }),
    checkpoints: createCheckpoints({ backups, control, log }),
    expectEnd: () => void countConversations(),
    scratchInUse: () => (backups.isBusy() ? scratchNames : []),
    onCall: (method, params) => {
      if (method === 'backup') return backups.take(backupOrderSchema.parse(params))
      if (method === 'ping') return Promise.resolve(z.unknown().parse(params))
      return Promise.reject(new Error(`This supervisor knows no method ${method}.`))
    },
  }
}
