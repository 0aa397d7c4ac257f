import { createHash } from 'node:crypto'

export interface BackupSchedule {
  /** Minutes after midnight, UTC. */
  minuteOfDay: number
  /** Instances are spread over so many minutes after it, each always at its own. */
  jitterMinutes: number
}

const dayMs = 86_400_000
const minuteMs = 60_000

/**
 * The next time that this instance's daily backup is due, strictly after `now`. It counts in UTC, where every day has 24
 * hours: no backup is skipped or doubled when clocks change, nor in a leap year.
 */
export function nextBackupAt(now: Date, instanceId: string, schedule: BackupSchedule): Date {
  const offsetMs = schedule.minuteOfDay * minuteMs + jitterMs(instanceId, schedule.jitterMinutes)
  const midnight = Math.floor(now.getTime() / dayMs) * dayMs
  // The jitter may lead into the next day, so the run that is next may be of the day before.
  for (let day = midnight - dayMs; ; day += dayMs)
    if (day + offsetMs > now.getTime()) return new Date(day + offsetMs)
}

function jitterMs(instanceId: string, jitterMinutes: number): number {
  if (jitterMinutes === 0) return 0
  const spread = createHash('sha256').update(instanceId).digest().readUInt32BE(0)
  return spread % (jitterMinutes * minuteMs)
}
