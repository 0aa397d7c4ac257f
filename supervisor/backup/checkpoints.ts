import { z } from 'zod'
import { type Backups, backupOrderSchema } from './backups.ts'
import type { ControlClient } from './control-client.ts'

/**
 * Saves what changed after turns, so that an instance that dies loses at most the turn in flight, and everything when it
 * ends in an orderly way.
 */
export interface Checkpoints {
  /** The plugin's word: a turn has ended. */
  turnEnded(): void
  /**
   * Saves the state as it is now, for at most `waitMs`: settings, channels and timers change without a turn. It takes
   * place although nothing may have changed: databases look changed once OpenClaw has closed them, and when this one was
   * begun tells the control plane that nothing is missing. With `onlyTurns` it saves what a turn has changed, if anything:
   * for when the control plane is probably out of reach.
   */
  saveLast(waitMs: number, options: { onlyTurns: boolean }): Promise<void>
}

export interface CheckpointsDependencies {
  backups: Backups
  control: ControlClient
  log(text: string): void
  /** Tests shorten these. */
  quietMs?: number
  delayMsMax?: number
  retryMs?: number
}

/** Null: nobody owns this slot, or checkpoints are switched off. */
const answerSchema = z.object({ order: backupOrderSchema.nullable() })

export function createCheckpoints(deps: CheckpointsDependencies): Checkpoints {
  const quietMs = deps.quietMs ?? 2_000
  const delayMsMax = deps.delayMsMax ?? 10_000
  let dirtySince: number | null = null
  let timer: NodeJS.Timeout | undefined
  let running: Promise<void> | undefined

  async function save(): Promise<void> {
    await deps.backups.takeNext(async (base) => {
      dirtySince = null
      return answerSchema.parse(await deps.control.call('POST', '/checkpoints', { base })).order
    })
  }

  function run(): Promise<void> {
    clearTimeout(timer)
    timer = undefined
    running ??= save()
      .catch((error: unknown) => {
        deps.log(`The checkpoint failed: ${error instanceof Error ? error.message : String(error)}`)
        dirtySince ??= Date.now()
        schedule(deps.retryMs ?? 30_000)
      })
      .finally(() => {
        running = undefined
        // A turn that ended meanwhile may not be in it.
        if (dirtySince !== null && !timer) schedule(quietMs)
      })
    return running
  }

  function schedule(delayMs: number): void {
    clearTimeout(timer)
    timer = setTimeout(() => void run(), delayMs)
    timer.unref()
  }

  async function saveNow(onlyTurns: boolean): Promise<void> {
    await running
    if (!onlyTurns || dirtySince !== null) await run()
  }

  return {
    turnEnded() {
      dirtySince ??= Date.now()
      const leftMs = dirtySince + delayMsMax - Date.now()
      if (!running) schedule(Math.max(0, Math.min(quietMs, leftMs)))
    },
    saveLast: (waitMs, { onlyTurns }) => bounded(saveNow(onlyTurns), waitMs),
  }
}

async function bounded(work: Promise<void>, waitMs: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, waitMs)
  await Promise.race([work, promise])
  clearTimeout(timer)
}
