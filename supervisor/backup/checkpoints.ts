import { z } from 'zod'
import { type Backups, backupOrderSchema } from './backups.ts'
import type { ControlClient } from './control-client.ts'

/** Saves what changed after turns, so that an instance that dies loses at most the turn in flight. */
export interface Checkpoints {
  /** The plugin's word: a turn has ended. */
  turnEnded(): void
  /** Saves what is not saved yet, for at most `waitMs`. */
  flush(waitMs: number): Promise<void>
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

  return {
    turnEnded() {
      dirtySince ??= Date.now()
      const leftMs = dirtySince + delayMsMax - Date.now()
      if (!running) schedule(Math.max(0, Math.min(quietMs, leftMs)))
    },
    async flush(waitMs) {
      if (running) await bounded(running, waitMs)
      if (dirtySince !== null) await bounded(run(), waitMs)
    },
  }
}

async function bounded(work: Promise<void>, waitMs: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, waitMs)
  await Promise.race([work, promise])
  clearTimeout(timer)
}
