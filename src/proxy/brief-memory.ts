/**
 * Answers remembered for a fraction of a second. Unlike a plain cache of promises it answers at once, without a turn
 * of the event loop, when it knows; that is most of the time on a busy connection.
 */
export interface BriefMemory<T> {
  get(key: string, load: () => Promise<T>): T | Promise<T>
  forget(key: string): void
}

interface Entry<T> {
  startedAt: number
  answer: Promise<T>
  settled: { value: T } | undefined
}

export function createBriefMemory<T>(milliseconds: number, entriesMax = 10_000): BriefMemory<T> {
  const entries = new Map<string, Entry<T>>()
  return {
    get: (key, load) => {
      // A monotonic clock: this must not remember longer because somebody set the time.
      const now = performance.now()
      const known = entries.get(key)
      if (known && now - known.startedAt < milliseconds)
        return known.settled ? known.settled.value : known.answer
      const entry: Entry<T> = { startedAt: now, answer: load(), settled: undefined }
      entries.delete(key)
      entries.set(key, entry)
      entry.answer.then(
        (value) => {
          entry.settled = { value }
        },
        () => {
          if (entries.get(key) === entry) entries.delete(key)
        },
      )
      // A Map iterates in order of insertion, so the first is the oldest.
      for (const oldest of entries.keys()) {
        if (entries.size <= entriesMax) break
        entries.delete(oldest)
      }
      return entry.answer
    },
    forget: (key) => {
      entries.delete(key)
    },
  }
}
