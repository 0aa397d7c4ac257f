import type { Database } from '../../db/database.ts'
import type { Logger } from '../../telemetry/log.ts'
import { forgetUsage } from '../usage/retention.ts'
import type { AnchorWriter } from './anchors.ts'
import type { LedgerAudit } from './ledger-audit.ts'
import { expireReservations, forgetReservations } from './reservations.ts'

export interface LedgerWorker {
  start(): void
  /** Anchors what has happened since the last time, unless that takes too long. */
  stop(): Promise<void>
}

export interface LedgerWorkerDeps {
  database: Database
  anchors: AnchorWriter
  audit: LedgerAudit
  /** How long the records behind what was charged are kept. */
  usageDays: number
  log: Logger
}

const expireSeconds = 10
const forgetSeconds = 3_600
/** Whoever rewrites the ledger has at most this long before it can be proven. */
const anchorSeconds = 300
/** It reads everything, and a start has other things to do. */
const firstAuditSeconds = 3_600
const auditSeconds = 86_400
/** What is not anchored by then is anchored after the next start. */
const stopMilliseconds = 3_000

/** What nobody waits for. Any number of control planes may run it. */
export function createLedgerWorker({
  database,
  anchors,
  audit,
  usageDays,
  log,
}: LedgerWorkerDeps): LedgerWorker {
  const jobs = [
    job(expireSeconds, () => expireReservations(database), 'expired reservations were not given back'),
    job(forgetSeconds, () => forgetReservations(database), 'old reservations were not forgotten'),
    job(forgetSeconds, () => forgetUsage(database, usageDays), 'old usage was not forgotten'),
    job(anchorSeconds, () => anchors.write(), 'the ledger was not anchored'),
    job(auditSeconds, () => audit.run(), 'the ledger was not verified', firstAuditSeconds),
  ]

  function job(seconds: number, work: () => Promise<unknown>, failure: string, firstSeconds = 0) {
    let running: Promise<unknown> | undefined
    let timer: NodeJS.Timeout | undefined
    let first: NodeJS.Timeout | undefined
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
        first = setTimeout(run, firstSeconds * 1000)
      },
      end: async () => {
        clearTimeout(first)
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
