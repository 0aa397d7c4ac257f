import type { Database } from '../../db/database.ts'
import { closeAbandonedModelCalls } from './abandoned-calls.ts'

export interface CallSweep {
  stop(): Promise<void>
}

/** Looks for abandoned model calls at once and then every five minutes. Any number of control planes may do so. */
export function startCallSweep(options: {
  database: Database
  onError: (error: unknown) => void
  intervalSeconds?: number
}): CallSweep {
  let running: Promise<unknown> = Promise.resolve()
  const sweep = (): void => {
    running = closeAbandonedModelCalls(options.database).catch(options.onError)
  }
  sweep()
  const timer = setInterval(sweep, (options.intervalSeconds ?? 300) * 1000)
  timer.unref()
  return {
    stop: async () => {
      clearInterval(timer)
      await running
    },
  }
}
