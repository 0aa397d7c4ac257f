/** How long OpenClaw has served, over the slot's whole life: what its owner is charged for. */
export interface Served {
  /** Which counter: another one where a slot lost its files and began anew. */
  run: string
  ms: number
}

export interface ServedClock {
  /** The count up to this moment. Whoever reads it for a report also keeps it. */
  read(): Served
  close(): void
}

const tickMs = 1_000
/** The clock goes on while a machine stands still; so long between two ticks means that it did, or hardly ran. */
const standstillMs = 5_000
/** What a supervisor that is killed loses at most, while it has no link; with one, each heartbeat keeps the count. */
const keepEveryMs = 5_000

/**
 * Counts by the monotonic clock, so that nothing that happens to the time of day counts. The count outlives the
 * process: what was served while nobody could be told is told later.
 */
export function createServedClock(deps: {
  kept: Served
  isServing(): boolean
  keep(served: Served): void
  now?: () => number
}): ServedClock {
  const now = deps.now ?? (() => performance.now())
  const { run } = deps.kept
  let ms = deps.kept.ms
  let keptMs = ms
  let lastAt = now()
  let wasServing = deps.isServing()

  function count(): void {
    const at = now()
    const elapsed = at - lastAt
    // What began or ended in between is counted from, or up to, the tick before: never more than was served.
    if (wasServing && deps.isServing() && elapsed <= standstillMs) ms += elapsed
    lastAt = at
    wasServing = deps.isServing()
  }

  const timer = setInterval(() => {
    count()
    if (ms - keptMs < keepEveryMs) return
    keptMs = ms
    deps.keep({ run, ms: Math.floor(ms) })
  }, tickMs)
  timer.unref()

  return {
    read: () => {
      count()
      keptMs = ms
      return { run, ms: Math.floor(ms) }
    },
    close: () => clearInterval(timer),
  }
}
