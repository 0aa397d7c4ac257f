import type { IdleTimes, SleepRung } from './idle.ts'

const minute = 60
const hour = 60 * minute
const day = 24 * hour

/** The idle times of every plan. What an operator sets replaces those of `free`. */
const plans: Record<string, IdleTimes> = {
  free: {
    suspended: 2 * minute,
    frozen: 10 * minute,
    frozen_on_disk: 2 * hour,
    stopped: 3 * day,
    archived: 30 * day,
    deleted: null,
  },
  always_on: {
    suspended: null,
    frozen: null,
    frozen_on_disk: null,
    stopped: null,
    archived: null,
    deleted: null,
  },
}

/** What an operator set: seconds, or null for "off". */
export type IdleSettings = Partial<Record<SleepRung, number | null>>

/** Of an unknown plan nothing is known but that somebody pays for it: it is never let down. */
export function idleTimesOf(plan: string, settings: IdleSettings): IdleTimes {
  const times = plans[plan] ?? (plans.always_on as IdleTimes)
  if (plan !== 'free') return times
  return { ...times, ...settings }
}

const unitSeconds: Record<string, number> = { s: 1, m: minute, h: hour, d: day }

/** Reads `90s`, `2m`, `3h`, `30d`, and `off` as null; undefined when it is none of these. */
export function parseIdleTime(text: string): number | null | undefined {
  if (text === 'off') return null
  const [, count, unit] = /^(\d+(?:\.\d+)?)([smhd])$/.exec(text) ?? []
  return count === undefined || unit === undefined ? undefined : Number(count) * (unitSeconds[unit] as number)
}
