import type { Clock } from '../../clock.ts'

/** Remembers answers for so short a time that a revocation still works everywhere within that time. */
export interface BriefCache<T> {
  /** The remembered answer, or that of `load`. Callers at the same moment share one `load`; a failure is not kept. */
  get(key: string, load: () => Promise<T>): Promise<T>
}

export interface BriefCacheOptions {
  clock: Clock
  milliseconds: number
  entriesMax?: number
}

export function createBriefCache<T>(options: BriefCacheOptions): BriefCache<T> {
  const entriesMax = options.entriesMax ?? 10_000
  const entries = new Map<string, { startedAt: number; answer: Promise<T> }>()
  return {
    get: (key, load) => {
      const now = options.clock.now().getTime()
      const known = entries.get(key)
      // Counted from before the load began: whatever changes after that moment is seen at most this much later. A clock
      // that was set back makes the age negative, which must not keep an answer alive.
      const age = known ? now - known.startedAt : -1
      if (known && age >= 0 && age < options.milliseconds) return known.answer
      const entry = { startedAt: now, answer: load() }
      entries.delete(key)
      entries.set(key, entry)
      entry.answer.catch(() => {
        if (entries.get(key) === entry) entries.delete(key)
      })
      // A Map iterates in order of insertion, so the first is the oldest.
      for (const oldest of entries.keys()) {
        if (entries.size <= entriesMax) break
        entries.delete(oldest)
      }
      return entry.answer
    },
  }
}
