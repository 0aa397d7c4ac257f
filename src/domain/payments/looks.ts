import type { Clock } from '../../clock.ts'
import type { Database } from '../../db/database.ts'
import type { Logger } from '../../telemetry/log.ts'
import type { PaymentRow } from './payment.ts'
import { nextLook, type PaymentSync } from './sync.ts'
import type { TopUps } from './top-ups.ts'

export interface LooksDeps {
  database: Database
  topUps: TopUps
  sync: PaymentSync
  clock: Clock
  log: Logger
}

/** Of a checkout whose page was never made, since Reef died before it could be shown. */
const unopenedMilliseconds = 3_600_000

/** Payments of which nothing was heard for a while, for example since no webhook is set up. */
export async function lookAtDue(deps: LooksDeps) {
  for (const payment of await claimToLookAt(deps.database, deps.clock.now()))
    await lookAt(deps, payment).catch((error) =>
      deps.log.warn({ err: error, paymentId: payment.id }, 'a payment could not be looked at'),
    )
}

async function lookAt({ database, topUps, sync, clock }: LooksDeps, payment: PaymentRow): Promise<void> {
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

async function claimToLookAt(database: Database, now: Date): Promise<PaymentRow[]> {
  return database.asSystem(async (trx) => {
    const due = await trx
      .selectFrom('payments')
      .selectAll()
      .where('look_at', '<=', now)
      .orderBy('look_at')
      .limit(20)
      .forUpdate()
      .skipLocked()
      .execute()
    // Should whoever looks die, it is due again.
    for (const payment of due)
      await trx
        .updateTable('payments')
        .set({ look_at: nextLook(payment, now) })
        .where('id', '=', payment.id)
        .execute()
    return due
  })
}
