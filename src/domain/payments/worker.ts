import type { Clock } from '../../clock.ts'
import type { Database } from '../../db/database.ts'
import type { Listener } from '../../db/listen.ts'
import { repeatable } from '../../repeatable.ts'
import type { Logger } from '../../telemetry/log.ts'
import type { ProviderEvents } from './events.ts'
import type { PaymentRow } from './payment.ts'
import type { Reconciler } from './reconcile.ts'
import type { Refunds } from './refunds.ts'
import type { PaymentSync } from './sync.ts'
import { claimToLookAt, type TopUps } from './top-ups.ts'

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

/** Of a checkout whose page was never made, since Reef died before it could be shown. */
const unopenedMilliseconds = 3_600_000
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
      await deps.reconciler.runIfDue()
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
      await Promise.all(Object.values(loops).map((loop) => loop.end()))
    },
  }
}

/** Payments of which nothing was heard for a while, for example since no webhook is set up. */
export async function lookAtDue(
  deps: Pick<PaymentWorkerDeps, 'database' | 'topUps' | 'sync' | 'clock' | 'log'>,
) {
  for (const payment of await claimToLookAt(deps.database, deps.clock.now()))
    await lookAt(deps, payment).catch((error) =>
      deps.log.warn({ err: error, paymentId: payment.id }, 'a payment could not be looked at'),
    )
}

async function lookAt(
  { database, topUps, sync, clock }: Parameters<typeof lookAtDue>[0],
  payment: PaymentRow,
): Promise<void> {
  if (payment.checkout_id || payment.intent_id) await sync.sync(payment.id)
  else if (payment.kind === 'auto_top_up') await topUps.resume(payment)
  else if (clock.now().getTime() - payment.created_at.getTime() > unopenedMilliseconds)
    await database.asSystem((trx) =>
      trx
        .updateTable('payments')
        .set({ state: 'expired', look_at: null, version: payment.version + 1 })
        .where('id', '=', payment.id)
        .where('version', '=', payment.version)
        .execute(),
    )
}
