import type { Clock } from '../../clock.ts'
import type { Database } from '../../db/database.ts'
import type { Listener } from '../../db/listen.ts'
import { repeatable } from '../../repeatable.ts'
import type { Logger } from '../../telemetry/log.ts'
import type { ProviderEvents } from './events.ts'
import { lookAtDue } from './looks.ts'
import type { Reconciler } from './reconcile.ts'
import type { Refunds } from './refunds.ts'
import type { PaymentSync } from './sync.ts'
import type { TopUps } from './top-ups.ts'

/** What goes on in the background: events, cards to charge, answers that were lost, the daily reconciliation. */
export interface PaymentWorker {
  start(): void
  /** An event was stored: a hint, since the next look finds it too. */
  kick(): void
  stop(): Promise<void>
}

export interface PaymentWorkerDeps {
  database: Database
  listener: Listener
  events: ProviderEvents
  topUps: TopUps
  refunds: Refunds
  reconciler: Reconciler
  sync: PaymentSync
  clock: Clock
  log: Logger
  lookSeconds?: number
}

const stopMilliseconds = 3_000
const reconcileLookSeconds = 600

export function createPaymentWorker(deps: PaymentWorkerDeps): PaymentWorker {
  const { log, events, listener } = deps
  const timers: NodeJS.Timeout[] = []
  let unsubscribe: (() => void) | undefined
  const loops = {
    events: repeatable(log, 'events of payments were not processed', async () => {
      await events.processDue()
    }),
    topUps: repeatable(log, 'auto top-ups were not made', () => deps.topUps.run()),
    looks: repeatable(log, 'payments were not looked at', async () => {
      await deps.refunds.resumeRequested()
      await lookAtDue(deps)
    }),
    reconcile: repeatable(log, 'payments were not reconciled', async () => {
      const report = await deps.reconciler.runIfDue()
      if (report && report.differences.length > 0)
        log.error({ differences: report.differences }, 'payments differ from Stripe’s')
      await events.removeOld()
    }),
  }
  const look = (): void => {
    loops.events.run()
    loops.topUps.run()
    loops.looks.run()
  }
  return {
    start: () => {
      unsubscribe = listener.subscribe('credits_changed', {
        onHint: () => loops.topUps.run(),
        onReconnect: look,
      })
      timers.push(
        setInterval(look, (deps.lookSeconds ?? 5) * 1000),
        setInterval(loops.reconcile.run, reconcileLookSeconds * 1000),
      )
      for (const timer of timers) timer.unref()
      look()
      loops.reconcile.run()
    },
    kick: loops.events.run,
    stop: async () => {
      unsubscribe?.()
      for (const timer of timers) clearInterval(timer)
      // What Stripe has not answered by then is asked again after the next start.
      const patience = new Promise((done) => setTimeout(done, stopMilliseconds).unref())
      await Promise.race([Promise.all(Object.values(loops).map((loop) => loop.end())), patience])
    },
  }
}
