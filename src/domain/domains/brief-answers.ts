/** Answers that are good for a while each. Bounded, so that made-up questions do not fill the memory. */
export interface BriefAnswers<T> {
  get(key: string): T | undefined
  set(key: string, value: T, milliseconds: number): void
}

const entriesMax = 10_000

export function createBriefAnswers<T>(now: () => number): BriefAnswers<T> {
  const entries = new Map<string, { value: T; until: number }>()
  return {
    get: (key) => {
      const entry = entries.get(key)
      if (entry === undefined) return undefined
      if (entry.until > now()) return entry.value
      entries.delete(key)
      return undefined
    },
    set: (key, value, milliseconds) => {
      entries.delete(key)
      entries.set(key, { value, until: now() + milliseconds })
      // A Map iterates in order of insertion, so the first is the oldest.
      for (const oldest of entries.keys()) {
        if (entries.size <= entriesMax) break
        entries.delete(oldest)
      }
    },
  }
}
