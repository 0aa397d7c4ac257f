/** Remembers answers for at most a second, and forgets one sooner when a hint names an id that it rests on. */
export interface HintedCache<T> {
  /** The answer for this question; those who ask at the same time share one look-up. `undefined` is an answer too. */
  get(key: string, find: () => Promise<T | undefined>): Promise<T | undefined>
  drop(id: string): void
  clear(): void
}

const ageMillisecondsMax = 1000
/** Far more than are asked for within a second; a flood of made-up questions must not fill the memory. */
const entriesMax = 10_000

interface Entry<T> {
  answer: Promise<T | undefined>
  expiresAt: number
  /** Known once the answer is; until then, and when the answer is "nothing", any hint may concern it. */
  ids: readonly (string | null)[] | undefined
}

export function createHintedCache<T>(
  idsOf: (value: T) => readonly (string | null)[],
  monotonicNow: () => number = () => performance.now(),
): HintedCache<T> {
  const entries = new Map<string, Entry<T>>()

  const get = (key: string, find: () => Promise<T | undefined>): Promise<T | undefined> => {
    const known = entries.get(key)
    const now = monotonicNow()
    if (known && known.expiresAt > now) return known.answer
    // The oldest entries come first, and all live equally long.
    for (const [oldKey, entry] of entries) {
      if (entry.expiresAt > now && entries.size < entriesMax) break
      entries.delete(oldKey)
    }
    entries.delete(key)
    const entry: Entry<T> = { answer: find(), expiresAt: now + ageMillisecondsMax, ids: undefined }
    entries.set(key, entry)
    entry.answer.then(
      (value) => {
        if (value !== undefined) entry.ids = idsOf(value)
      },
      () => {
        // A failure is no answer; whoever asks next tries again.
        if (entries.get(key) === entry) entries.delete(key)
      },
    )
    return entry.answer
  }

  return {
    get,
    drop: (id) => {
      for (const [key, entry] of entries)
        if (entry.ids === undefined || entry.ids.includes(id)) entries.delete(key)
    },
    clear: () => entries.clear(),
  }
}
