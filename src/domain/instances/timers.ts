/** A job that runs at an interval and whenever it is woken, never twice at once. */
export interface Repeating {
  /** Runs it now, or once more right after the run under way. */
  wake(): void
  /** Starts no further run and waits for the one under way. */
  stop(): Promise<void>
}

export function every(
  seconds: number,
  job: () => Promise<unknown>,
  onError: (error: unknown) => void,
): Repeating {
  let stopped = false
  let again = false
  let current: Promise<void> | undefined

  const run = async (): Promise<void> => {
    do {
      again = false
      await job().catch(onError)
    } while (again && !stopped)
    current = undefined
  }
  const wake = (): void => {
    if (stopped) return
    again = true
    current ??= run()
  }
  const interval = setInterval(wake, seconds * 1000)
  return {
    wake,
    stop: async () => {
      stopped = true
      clearInterval(interval)
      await current
    },
  }
}
