import { sql } from 'kysely'
import type { Trx } from '../../db/database.ts'
import type { Offer } from './packs.ts'
import type { PaymentRow } from './payment.ts'
import { type AutoTopUpRow, reasonToDrop, switchedOffReason, type TopUpSituation } from './top-up.ts'

/** What decides about an organization's auto top-up, as it is without the payment `except`. */
export async function findSituation(
  trx: Trx,
  settings: AutoTopUpRow,
  offer: Offer,
  now: Date,
  except: string | null = null,
) {
  const customer = await trx
    .selectFrom('payment_customers')
    .selectAll()
    .where('organization_id', '=', settings.organization_id)
    .executeTakeFirst()
  const pack = offer.packs.find((one) => one.id === settings.pack)
  const situation: TopUpSituation = {
    settings,
    card: customer?.card_id ? { id: customer.card_id } : null,
    pack,
    currency: offer.currency,
    now,
    ...(await findFacts(trx, settings.organization_id, now, except)),
  }
  return { customer, pack, situation }
}

/** See `reasonToDrop`. Without a lock: whoever switches it off at this very moment may be a moment late. */
export async function findReasonToDrop(
  trx: Trx,
  payment: PaymentRow,
  offer: Offer,
  now: Date,
): Promise<string | null> {
  const settings = await trx
    .selectFrom('auto_top_ups')
    .selectAll()
    .where('organization_id', '=', payment.organization_id)
    .executeTakeFirst()
  if (!settings) return switchedOffReason
  const { situation } = await findSituation(trx, settings, offer, now, payment.id)
  return reasonToDrop(situation, { pack: payment.pack, cardId: payment.card_id })
}

async function findFacts(trx: Trx, organizationId: string, now: Date, except: string | null) {
  const dayAgo = new Date(now.getTime() - 86_400_000)
  const monthStart = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), 1))
  const { rows } = await sql<{
    available: number
    pending: boolean
    monthCents: number
    dayCount: number
    disputed: boolean
  }>`
    select
      coalesce((select available + reserved from ledger_books where organization_id = ${organizationId}), 0) as available,
      coalesce(bool_or(state in ('open', 'processing')), false) as pending,
      coalesce(sum(amount_cents) filter (where created_at >= ${monthStart} and state not in ('failed', 'expired')), 0)::bigint
        as "monthCents",
      count(*) filter (where created_at > ${dayAgo}) as "dayCount",
      exists (select from payment_disputes where organization_id = ${organizationId} and state = 'open') as disputed
    from payments where organization_id = ${organizationId} and kind = 'auto_top_up'
      and id is distinct from ${except}::uuid`.execute(trx)
  return rows[0] as NonNullable<(typeof rows)[0]>
}
