import { earlier } from '../../clock.ts'
import type { Rung } from '../../db/tables/idle.ts'
import type { ComputeCapabilities } from './compute.ts'
import { addSeconds } from './limits.ts'

/** How long nobody uses an instance before it is let down to each rung, in seconds; null: never. */
export interface IdleTimes {
  suspended: number | null
  frozen: number | null
  frozen_on_disk: number | null
  stopped: number | null
  archived: number | null
  deleted: number | null
}

export type SleepRung = keyof IdleTimes

/** From the lightest sleep to the deepest. */
const ladder: readonly SleepRung[] = [
  'suspended',
  'frozen',
  'frozen_on_disk',
  'stopped',
  'archived',
  'deleted',
]

/** What the ladder judges by: what people do and what OpenClaw plans; never pings, never the polling of open tabs. */
export interface IdleFacts {
  rung: Rung
  rungSince: Date
  /** It serves. One that is still starting is not idle, however long it takes. */
  serving: boolean
  /** Since when it has served; whoever waited for a boot has had nothing of it before. */
  servingSince: Date
  turnsInFlight: number
  /** When its supervisor last reported; null for never. Who is not heard of is not judged. */
  heardAt: Date | null
  /** When it last had a turn under way. */
  busyAt: Date | null
  /** When a person last used it, however they did. */
  lastActiveAt: Date
  /** When its OpenClaw wants to act by itself next: a cron job or a heartbeat. */
  nextWakeAt: Date | null
  /** Whether its state is safe elsewhere, so that the machine's own copy may go. */
  backup: 'impossible' | 'outdated' | 'fresh'
}

export interface IdleDecision {
  rung: Rung
  /** When to decide anew though nothing happened; null: not before something does. */
  lookAt: Date | null
  /** The next rung needs a backup that there is not. */
  backUp: boolean
}

/** How long before a planned act a sleeper is woken: what waking takes from there, and a little more. */
const wakeLeadSeconds: Record<SleepRung, number> = {
  suspended: 2,
  frozen: 4,
  frozen_on_disk: 8,
  stopped: 45,
  archived: 180,
  deleted: 0,
}
/** Awake only for a planned act, it is let down again so long after the turn; a person gets the plan's whole time. */
const unattendedSeconds = 45
/** What was planned and has not happened so long after its time will not. */
const overdueSecondsMax = 300
/** A boot costs more than a machine that sleeps for this long: who plans to act sooner is not stopped. */
const stopSecondsMin = 2 * 3600
/** Heartbeats come every few seconds; after so many missed ones nothing is known. */
const silenceSecondsMax = 60
/** How soon to look again when what is awaited shows only in the next heartbeats. */
const busyLookSeconds = 15

/** The rung that an instance should be on which its owner wants running. */
export function decideRung(
  facts: IdleFacts,
  times: IdleTimes,
  can: Pick<ComputeCapabilities, 'suspend' | 'freeze'>,
  now: Date,
): IdleDecision {
  const rungs = possibleRungs(times, can)
  return facts.rung === 'active'
    ? decideAwake(facts, rungs, times, now)
    : decideAsleep(facts, facts.rung, rungs, times, now)
}

function possibleRungs(times: IdleTimes, can: Pick<ComputeCapabilities, 'suspend' | 'freeze'>): SleepRung[] {
  return ladder.filter((rung) => {
    if (times[rung] === null) return false
    if (rung === 'suspended') return can.suspend
    return rung === 'frozen' || rung === 'frozen_on_disk' ? can.suspend && can.freeze : true
  })
}

function decideAwake(facts: IdleFacts, rungs: SleepRung[], times: IdleTimes, now: Date): IdleDecision {
  const stay = (lookAt: Date | null): IdleDecision => ({ rung: 'active', lookAt, backUp: false })
  const [first] = rungs
  if (first === undefined || !facts.serving) return stay(null)
  if (facts.turnsInFlight > 0) return stay(addSeconds(now, busyLookSeconds))
  if (facts.heardAt === null || addSeconds(facts.heardAt, silenceSecondsMax) < now)
    return stay(addSeconds(now, silenceSecondsMax))
  // What it said before it served says nothing of the turn that it was woken for.
  if (facts.heardAt < latest(facts.rungSince, facts.servingSince))
    return stay(addSeconds(now, busyLookSeconds))
  const patience = Math.min(...rungs.map((rung) => times[rung] as number)) // possibleRungs left no null
  const attended = facts.lastActiveAt >= facts.rungSince
  const restsSince = latest(facts.lastActiveAt, facts.rungSince, facts.servingSince, facts.busyAt)
  const restAt = addSeconds(restsSince, attended ? patience : Math.min(patience, unattendedSeconds))
  if (restAt > now) return stay(restAt)
  const { nextWakeAt } = facts
  if (nextWakeAt && addSeconds(nextWakeAt, overdueSecondsMax) > now) {
    // Due and not begun, or so soon that it is not worth the sleep.
    const wakeAt = addSeconds(nextWakeAt, -2 * wakeLeadSeconds[first])
    if (wakeAt <= now) return stay(addSeconds(now, busyLookSeconds))
  }
  return descend(facts, first, rungs, times, now)
}

function decideAsleep(
  facts: IdleFacts,
  current: SleepRung,
  rungs: SleepRung[],
  times: IdleTimes,
  now: Date,
): IdleDecision {
  const wakeAt = wakeTime(facts, current)
  if (wakeAt && wakeAt <= now) return { rung: 'active', lookAt: null, backUp: false }
  return descend(facts, current, rungs, times, now)
}

/** The deepest rung that it has been idle long enough for, from `from` on, and when the next one or a wake is due. */
function descend(
  facts: IdleFacts,
  from: SleepRung,
  rungs: SleepRung[],
  times: IdleTimes,
  now: Date,
): IdleDecision {
  let rung = from
  let nextAt: Date | null = null
  let backUp = false
  for (const deeper of rungs) {
    if (ladder.indexOf(deeper) <= ladder.indexOf(from)) continue
    const dueAt = addSeconds(facts.lastActiveAt, times[deeper] as number) // possibleRungs left no null
    if (dueAt > now) {
      nextAt = earlier(nextAt, dueAt)
      continue
    }
    if (isWithoutMemory(deeper) && facts.nextWakeAt && facts.nextWakeAt < addSeconds(now, stopSecondsMin))
      break
    if (deeper === 'archived' && facts.backup !== 'fresh') {
      backUp = facts.backup === 'outdated'
      if (backUp) nextAt = earlier(nextAt, addSeconds(now, backUpLookSeconds))
      break
    }
    rung = deeper
  }
  return { rung, lookAt: earlier(nextAt, wakeTime(facts, rung)), backUp }
}

const backUpLookSeconds = 600

/** What lies behind the moment at which it went to sleep was left to sleep over. */
function wakeTime(facts: IdleFacts, rung: SleepRung): Date | null {
  if (facts.nextWakeAt === null || rung === 'deleted') return null
  if (facts.rung !== 'active' && facts.nextWakeAt <= facts.rungSince) return null
  return addSeconds(facts.nextWakeAt, -wakeLeadSeconds[rung])
}

function isWithoutMemory(rung: Rung): boolean {
  return rung === 'stopped' || rung === 'archived' || rung === 'deleted'
}

function latest(...times: (Date | null)[]): Date {
  return new Date(Math.max(...times.map((time) => time?.getTime() ?? 0)))
}
