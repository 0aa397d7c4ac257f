import type { Logger } from './telemetry/log.ts'

/** One run at a time; asked meanwhile, it runs once more. */
export function repeatable(log: Logger, failure: string, work: () => Promise<void>) {
  let running: Promise<void> | undefined
  let again = false
  let ended = false
  const run = (): void => {
    if (ended) return
    if (running) {
      again = true
      return
    }
    again = false
    running = work()
      .catch((error: unknown) => {
        if (!ended) log.warn({ err: error }, failure)
      })
      .finally(() => {
        running = undefined
        if (again) run()
      })
  }
  return {
    run,
    end: async () => {
      ended = true
      await running
    },
  }
}
