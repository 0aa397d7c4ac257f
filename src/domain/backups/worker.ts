import type { Clock } from '../../clock.ts'
import type { Database } from '../../db/database.ts'
import { repeatable } from '../../repeatable.ts'
import type { Logger } from '../../telemetry/log.ts'
import { type CopiesDeps, copyToRemote } from './copies.ts'
import { advanceRestores } from './restore-work.ts'
import type { BackupSchedule } from './schedule.ts'
import { applyRetention, forgetFailedCheckpoints, type RetentionTimes, removeUnknown } from './sweep.ts'
import type { BackupTaker } from './take.ts'
import { requestScheduled } from './timetable.ts'

export interface BackupWorker {
  start(): void
  /** Something may be to be done now: a hint, since whatever it is, is found by the next look too. */
  kick(): void
  stop(): Promise<void>
}

export interface BackupWorkerDeps extends CopiesDeps {
  database: Database
  taker: BackupTaker
  clock: Clock
  schedule: BackupSchedule | null
  retention: RetentionTimes
  log: Logger
  /** A drill when one is due. */
  drill(): Promise<void>
  lookSeconds?: number
  sweepSeconds?: number
}

const stopMilliseconds = 3_000

/** Everything of backups that nobody waits for. Any number of control planes may run it: each step claims its rows. */
export function createBackupWorker(deps: BackupWorkerDeps): BackupWorker {
  const { log } = deps
  const timers: NodeJS.Timeout[] = []
  const loops = {
    requests: repeatable(log, 'backups were not taken', async () => {
      await deps.taker.endAbandoned()
      if (deps.schedule) await requestScheduled(deps.database, deps.taker, deps.schedule, deps.clock.now())
      await deps.taker.runRequested()
    }),
    restores: repeatable(log, 'restores were not advanced', () => advanceRestores(deps)),
    copies: repeatable(log, 'backups were not copied', () => copyToRemote(deps)),
    drills: repeatable(log, 'a drill was not run', () => deps.drill()),
    sweep: repeatable(log, 'old backups were not removed', async () => {
      const { stores, database, retention } = deps
      await applyRetention(database, stores, retention, deps.clock.now())
      await forgetFailedCheckpoints(database, deps.clock.now())
      await removeUnknown(database, stores.local, deps.clock.now())
      if (stores.remote) await removeUnknown(database, stores.remote, deps.clock.now())
    }),
  }
  const look = (): void => {
    loops.requests.run()
    loops.restores.run()
    loops.copies.run()
    loops.drills.run()
  }
  return {
    start: () => {
      timers.push(
        setInterval(look, (deps.lookSeconds ?? 5) * 1000),
        setInterval(loops.sweep.run, (deps.sweepSeconds ?? 3_600) * 1000),
      )
      look()
      loops.sweep.run()
    },
    kick: look,
    stop: async () => {
      for (const timer of timers) clearInterval(timer)
      // What a copy of gigabytes has not done by then is done again after the next start.
      const patience = new Promise((done) => setTimeout(done, stopMilliseconds).unref())
      await Promise.race([Promise.all(Object.values(loops).map((loop) => loop.end())), patience])
    },
  }
}
