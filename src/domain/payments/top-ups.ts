import { sql } from 'kysely'
import type { Clock } from '../../clock.ts'
import type { Database, Trx } from '../../db/database.ts'
import { ReefError } from '../../errors.ts'
import { newId } from '../../ids.ts'
import { formatCredits } from '../credits/credit.ts'
import type { Offer } from './packs.ts'
import type { PaymentRow } from './payment.ts'
import type { ChargeOrder, ChargeResult, Payments } from './payments.ts'
import type { PaymentSync } from './sync.ts'
import { type AutoTopUpRow, afterFailure, decideTopUp, topUpPauseMilliseconds } from './top-up.ts'
import { findReasonToDrop, findSituation } from './top-up-situation.ts'

/** Buys packs with saved cards when credits run low. Any number of control planes may do so. */
export interface TopUps {
  /** Looks at every organization that may be low; with an id at that one. */
  run(organizationId?: string): Promise<void>
  /**
   * Goes on with what nobody knows the end of. Safe at any time: the provider knows the payment's id. A card that was not
   * charged yet is charged only if the same would be ordered now; else the payment ends.
   */
  resume(payment: PaymentRow): Promise<void>
}

/**
 * For whoever tells people: auto top-up stopped or was refused, or with null works again. In the transaction that writes
 * it.
 */
export type TopUpAlert = (
  trx: Trx,
  alert: { organizationId: string; message: string | null },
) => Promise<void>

export interface TopUpsDeps {
  database: Database
  payments: Pick<Payments, 'chargeCard' | 'findCharge'>
  sync: PaymentSync
  offer: Offer
  clock: Clock
  alert: TopUpAlert
  onError(error: unknown, organizationId: string): void
}

const droppedCode = 'top_up_dropped'

export function createTopUps(deps: TopUpsDeps): TopUps {
  const { database, payments, offer, clock } = deps

  const accept = async (payment: PaymentRow, { intentId, failure }: ChargeResult): Promise<void> => {
    if (failure) await database.asSystem((trx) => noteFailure(trx, payment.id, failure))
    await deps.sync.sync(payment.id, { checkoutId: null, intentId })
  }

  const attempt = async (payment: PaymentRow, work: (order: ChargeOrder) => Promise<void>): Promise<void> => {
    try {
      await work(chargeOrderOf(payment))
    } catch (error) {
      // What may have worked is tried again under the same id; a definite no is the end of this payment.
      if (!(error instanceof ReefError) || error.kind === 'unavailable') throw error
      await database.asSystem((trx) => fail(trx, payment.id, error, deps))
    }
  }

  const charge = (payment: PaymentRow): Promise<void> =>
    attempt(payment, async (order) => accept(payment, await payments.chargeCard(order)))

  const drop = (payment: PaymentRow, reason: string): Promise<void> =>
    attempt(payment, async (order) => {
      const charged = await payments.findCharge(order)
      if (charged) await accept(payment, charged)
      // No card has failed, so auto top-up itself goes on as it is.
      else await database.asSystem((trx) => end(trx, payment.id, { code: droppedCode, message: reason }))
    })

  const consider = async (organizationId: string): Promise<void> => {
    const payment = await database.asSystem((trx) =>
      order(trx, organizationId, offer, deps.alert, clock.now()),
    )
    if (payment) await charge(payment)
  }

  return {
    run: async (organizationId) => {
      for (const id of await database.asSystem((trx) => findLow(trx, organizationId, clock.now())))
        await consider(id).catch((error) => deps.onError(error, id))
    },
    resume: async (payment) => {
      const reason = await database.asSystem((trx) => findReasonToDrop(trx, payment, offer, clock.now()))
      await (reason === null ? charge(payment) : drop(payment, reason))
    },
  }
}

function chargeOrderOf(payment: PaymentRow): ChargeOrder {
  return {
    paymentId: payment.id,
    organizationId: payment.organization_id,
    customerId: payment.customer_id,
    // Only checkouts have none.
    cardId: payment.card_id as string,
    name: `${formatCredits(payment.credits)} credits`,
    amountCents: payment.amount_cents,
    currency: payment.currency,
    since: payment.created_at,
  }
}

async function findLow(trx: Trx, organizationId: string | undefined, now: Date): Promise<string[]> {
  let query = trx
    .selectFrom('auto_top_ups')
    .innerJoin('ledger_books', 'ledger_books.organization_id', 'auto_top_ups.organization_id')
    .select('auto_top_ups.organization_id')
    .where('enabled', '=', true)
    .where('due_at', '<=', now)
    // What calls under way hold mostly comes back: it is no reason to charge a card.
    .where(sql<boolean>`ledger_books.available + ledger_books.reserved < auto_top_ups.threshold`)
  if (organizationId) query = query.where('auto_top_ups.organization_id', '=', organizationId)
  return (await query.execute()).map((row) => row.organization_id)
}

/** Decides under the settings' lock, and writes the payment before anything is charged. */
async function order(
  trx: Trx,
  organizationId: string,
  offer: Offer,
  alert: TopUpAlert,
  now: Date,
): Promise<PaymentRow | null> {
  const settings = await trx
    .selectFrom('auto_top_ups')
    .selectAll()
    .where('organization_id', '=', organizationId)
    .forUpdate()
    .executeTakeFirst()
  if (!settings) return null
  const { customer, pack, situation } = await findSituation(trx, settings, offer, now)
  const decision = decideTopUp(situation)
  if (decision.kind === 'blocked' || decision.kind === 'switchOff') {
    await stop(trx, settings, decision, alert)
    return null
  }
  if (decision.kind === 'wait' || !pack || !customer) return null
  await trx
    .updateTable('auto_top_ups')
    .set({ due_at: new Date(now.getTime() + topUpPauseMilliseconds), problem: null })
    .where('organization_id', '=', organizationId)
    .execute()
  return insertPayment(trx, {
    organization_id: organizationId,
    pack: pack.id,
    credits: pack.creditsMicros,
    amount_cents: pack.priceCents,
    currency: offer.currency,
    customer_id: customer.customer_id,
    card_id: decision.cardId,
    created_at: now,
  })
}

function insertPayment(
  trx: Trx,
  values: Pick<
    PaymentRow,
    | 'organization_id'
    | 'pack'
    | 'credits'
    | 'amount_cents'
    | 'currency'
    | 'customer_id'
    | 'card_id'
    | 'created_at'
  >,
): Promise<PaymentRow> {
  return trx
    .insertInto('payments')
    .values({
      ...values,
      id: newId(),
      kind: 'auto_top_up',
      checkout_id: null,
      intent_id: null,
      receipt_url: null,
      failure_code: null,
      failure_message: null,
      problem: null,
      created_by: null,
      paid_at: null,
      look_at: new Date(values.created_at.getTime() + 60_000),
    })
    .returningAll()
    .executeTakeFirstOrThrow()
}

/** Said once for each new reason. */
async function stop(
  trx: Trx,
  settings: AutoTopUpRow,
  decision: { kind: 'blocked' | 'switchOff'; problem: string },
  alert: TopUpAlert,
): Promise<void> {
  if (settings.problem === decision.problem && decision.kind === 'blocked') return
  await trx
    .updateTable('auto_top_ups')
    .set({ enabled: decision.kind === 'blocked', problem: decision.problem })
    .where('organization_id', '=', settings.organization_id)
    .execute()
  await alert(trx, { organizationId: settings.organization_id, message: decision.problem })
}

async function noteFailure(
  trx: Trx,
  paymentId: string,
  failure: { code: string; message: string },
): Promise<void> {
  await trx
    .updateTable('payments')
    .set({
      failure_code: failure.code,
      failure_message: failure.message,
      version: sql<number>`version + 1`,
    })
    .where('id', '=', paymentId)
    .where('state', '=', 'open')
    .execute()
}

async function fail(
  trx: Trx,
  paymentId: string,
  error: ReefError,
  deps: { clock: Clock; alert: TopUpAlert },
): Promise<void> {
  const payment = await end(trx, paymentId, error)
  if (payment) await settleTopUp(trx, payment, deps)
}

/** Nothing of it is at the provider, so nothing can come of it any more. */
async function end(
  trx: Trx,
  paymentId: string,
  failure: { code: string; message: string },
): Promise<PaymentRow | undefined> {
  await noteFailure(trx, paymentId, failure)
  return trx
    .updateTable('payments')
    .set({ state: 'failed', look_at: null })
    .where('id', '=', paymentId)
    .where('state', '=', 'open')
    .where('intent_id', 'is', null)
    .returningAll()
    .executeTakeFirst()
}

/** How an auto top-up ended decides when there may be another one. In the transaction that settles it. */
export async function settleTopUp(
  trx: Trx,
  payment: PaymentRow,
  deps: { clock: Clock; alert: TopUpAlert },
): Promise<void> {
  if (payment.kind !== 'auto_top_up') return
  const ofOrganization = trx
    .updateTable('auto_top_ups')
    .where('organization_id', '=', payment.organization_id)
  if (payment.state === 'paid') {
    await ofOrganization.set({ failures: 0, problem: null }).execute()
    await deps.alert(trx, { organizationId: payment.organization_id, message: null })
    return
  }
  if (payment.state !== 'failed') return
  const settings = await trx
    .selectFrom('auto_top_ups')
    .selectAll()
    .where('organization_id', '=', payment.organization_id)
    .forUpdate()
    .executeTakeFirst()
  if (!settings?.enabled) return
  const failure = {
    code: payment.failure_code ?? 'unknown',
    message: payment.failure_message ?? 'The bank gave no reason.',
  }
  const after = afterFailure(settings.failures, failure, deps.clock.now())
  await ofOrganization
    .set({ failures: after.failures, enabled: after.enabled, due_at: after.dueAt, problem: after.problem })
    .execute()
  await deps.alert(trx, { organizationId: payment.organization_id, message: after.problem })
}
