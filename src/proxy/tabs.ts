import { header, type RequestHead } from './request-head.ts'
import type { Visit } from './visit-cookie.ts'

/**
 * Tells what people do in browsers from what their open tabs do by themselves. A Control UI whose OpenClaw stands still
 * misses its ticks and dials anew, for ever: that wakes nobody. Opening or reloading the page does, and so does a
 * program that is no browser.
 */
export interface Tabs {
  /** Whether this request of a visitor counts as theirs; remembers it. */
  isMeant(visit: Visit, head: RequestHead, kind: 'request' | 'upgrade'): boolean
}

/** More visitors than have tabs open at one control plane; the oldest are forgotten, and at worst wake once more. */
const visitsMax = 50_000

export function createTabs(now: () => number = () => performance.now()): Tabs {
  const visits = new Map<string, { openedAt: number; dialledAt: number }>()

  return {
    isMeant: (visit, head, kind) => {
      const mode = header(head, 'sec-fetch-mode')
      // What a page fetches by itself follows its opening, and changes nothing.
      if (kind === 'request' && mode !== undefined && mode !== 'navigate') return false
      const key = `${visit.userId} ${visit.instanceId}`
      const known = visits.get(key)
      visits.delete(key)
      const [oldest] = visits.keys()
      if (visits.size >= visitsMax && oldest !== undefined) visits.delete(oldest)
      const entry = known ?? { openedAt: Number.NEGATIVE_INFINITY, dialledAt: Number.NEGATIVE_INFINITY }
      visits.set(key, entry)
      if (kind === 'request') {
        entry.openedAt = now()
        return true
      }
      const first = known === undefined || entry.dialledAt < entry.openedAt
      if (first) entry.dialledAt = now()
      return first
    },
  }
}
