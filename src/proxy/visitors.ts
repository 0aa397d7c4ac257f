import type { Access } from './access.ts'
import type { Visit } from './visit-cookie.ts'

/** Open connections of visitors, so that they end when a visitor's right to be there does. */
export interface Visitors {
  /** Returns what to call when the connection is over. */
  add(visit: Visit, end: () => void): () => void
  /** Ends the connections of whoever may no longer visit. Called about once a second; rounds never overlap. */
  sweep(): Promise<void>
  endAll(): void
  readonly size: number
}

/** How many visitors are asked about at once. */
const questionsMax = 16

export function createVisitors(mayStay: Access['mayStay']): Visitors {
  const open = new Map<string, { visit: Visit; ends: Set<() => void> }>()
  let sweeping = false

  const check = async (entry: { visit: Visit; ends: Set<() => void> }): Promise<void> => {
    // When nobody can say, nobody is thrown out; a new request of theirs would fail anyway.
    const stays = await Promise.resolve(mayStay(entry.visit)).catch(() => true)
    if (!stays) for (const end of [...entry.ends]) end()
  }

  return {
    add: (visit, end) => {
      // Whoever logged in twice, or opened the instance again, has visits that end at different times.
      const key = `${visit.userId} ${visit.familyId} ${visit.instanceId} ${visit.expiresAt}`
      const entry = open.get(key) ?? { visit, ends: new Set() }
      open.set(key, entry)
      entry.ends.add(end)
      return () => {
        entry.ends.delete(end)
        if (entry.ends.size === 0 && open.get(key) === entry) open.delete(key)
      }
    },
    sweep: async () => {
      if (sweeping) return
      sweeping = true
      try {
        const waiting = [...open.values()]
        const work = async (): Promise<void> => {
          for (let entry = waiting.pop(); entry; entry = waiting.pop()) await check(entry)
        }
        await Promise.all(Array.from({ length: questionsMax }, work))
      } finally {
        sweeping = false
      }
    },
    endAll: () => {
      for (const { ends } of [...open.values()]) for (const end of [...ends]) end()
    },
    get size() {
      let size = 0
      for (const { ends } of open.values()) size += ends.size
      return size
    },
  }
}
