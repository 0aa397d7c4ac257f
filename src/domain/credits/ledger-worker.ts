import type { Database } from '../../db/database.ts'
import type { Logger } from '../../telemetry/log.ts'
import type { AnchorWriter } from './anchors.ts'
import { expireReservations, forgetReservations } from './reservations.ts'

export interface LedgerWorker {
  start(): void
  /** Anchors what has happened since the last time, unless that takes too long. */
  stop(): Promise<void>
}

export interface LedgerWorkerDeps {
  database: Database
  anchors: AnchorWriter
  log: Logger
}

const expireSeconds = 10
const forgetSeconds = 3_600
/** Whoever rewrites the ledger has at most this long before it can be proven. */
const anchorSeconds = 300
/** What is not anchored by then is anchored after the next start. */
const stopMilliseconds = 3_000

/** What nobody waits for. Any number of control planes may run it. */
export function createLedgerWorker({ database, anchors, log }: LedgerWorkerDeps): LedgerWorker {
  const jobs = [
    job(expireSeconds, () => expireReservations(database), 'expired reservations were not given back'),
    job(forgetSeconds, () => forgetReservations(database), 'old reservations were not forgotten'),
    job(anchorSeconds, () => anchors.write(), 'the ledger was not anchored'),
  ]

  function job(seconds: number, work: () => Promise<unknown>, failure: string) {
    let running: Promise<unknown> | undefined
    let timer: NodeJS.Timeout | undefined
    const run = (): Promise<unknown> => {
      running ??= work()
        .catch((error: unknown) => log.warn({ err: error }, failure))
        .finally(() => {
          running = undefined
        })
      return running
    }
    return {
      start: () => {
        timer = setInterval(run, seconds * 1000)
        void run()
      },
      end: async () => {
        clearInterval(timer)
        await running
      },
    }
  }

  return {
    start: () => {
      for (const { start } of jobs) start()
    },
    stop: async () => {
      const patience = new Promise((done) => setTimeout(done, stopMilliseconds).unref())
      const ended = Promise.all(jobs.map(({ end }) => end())).then(() => anchors.write())
      await Promise.race([
        ended.catch((error: unknown) => log.warn({ err: error }, 'the ledger was not anchored at the end')),
        patience,
      ])
    },
  }
}
