import type { DomainChecker } from './checker.ts'

/** Looks due domains up, again and again. Any number of control planes may do so. */
export function startDomainSweep(options: {
  checker: Pick<DomainChecker, 'checkDue'>
  onError: (error: unknown) => void
  intervalSeconds?: number
}): { stop(): Promise<void> } {
  let running: Promise<unknown> = Promise.resolve()
  let busy = false
  const sweep = (): void => {
    if (busy) return
    busy = true
    running = options.checker
      .checkDue()
      .catch(options.onError)
      .finally(() => {
        busy = false
      })
  }
  const timer = setInterval(sweep, (options.intervalSeconds ?? 10) * 1000)
  timer.unref()
  return {
    stop: async () => {
      clearInterval(timer)
      await running
    },
  }
}
