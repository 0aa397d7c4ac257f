import { sql } from 'kysely'
import type { Clock } from '../../clock.ts'
import type { Database, Trx } from '../../db/database.ts'
import { conflict, invalid, notFound, ReefError } from '../../errors.ts'
import { isId, newId } from '../../ids.ts'
import { formatCredits } from '../credits/credit.ts'
import { applyOperations } from '../credits/ledger-store.ts'
import type { Operation } from '../credits/operation.ts'
import { refundKey, returnedNote } from './decide.ts'
import { creditsOfMoney, formatMoney } from './packs.ts'
import type { PaymentRecord, RefundRow } from './payment.ts'
import type { Payments } from './payments.ts'
import { refundable } from './refundable.ts'
import { findPayment, movedOutOf, receiptOfOutcome } from './store.ts'
import type { PaymentSync } from './sync.ts'

export interface RefundRequest {
  /** Left out: as much as unused credits stand for. */
  amountCents?: number | undefined
  /** Also what was used already; the operator bears that. */
  force: boolean
  reason?: string | undefined
  operatorUserId: string
  /** With the same one the money goes back once, however often it is asked for; a UUID. */
  idempotencyKey?: string | undefined
}

/** Money back, by an operator. */
export interface Refunds {
  /** Asked for again under the same key, it answers what came of the first time, and goes on with it if nobody knows yet. */
  refund(paymentId: string, request: RefundRequest): Promise<PaymentRecord>
  /** Goes on with refunds whose end nobody knows. */
  resumeRequested(): Promise<void>
}

export interface RefundsDeps {
  database: Database
  payments: Pick<Payments, 'refund'>
  sync: PaymentSync
  clock: Clock
  onError(error: unknown, refundId: string): void
}

export function createRefunds(deps: RefundsDeps): Refunds {
  const { database, payments, sync, clock } = deps

  const make = async (refund: RefundRow, intentId: string): Promise<PaymentRecord> => {
    try {
      await payments.refund({ refundId: refund.id, intentId, amountCents: refund.amount_cents })
    } catch (error) {
      // What may have worked is asked about again; only a definite no gives the credits back.
      if (isDefinite(error)) await database.asSystem((trx) => giveBack(trx, refund))
      throw error
    }
    return (await sync.sync(refund.payment_id)) as PaymentRecord
  }

  return {
    refund: async (paymentId, request) => {
      const { refund, intentId } = await database.asSystem((trx) =>
        take(trx, paymentId, request, clock.now()),
      )
      if (refund.state === 'made') return (await sync.sync(paymentId)) as PaymentRecord
      return make(refund, intentId)
    },

    resumeRequested: async () => {
      const before = new Date(clock.now().getTime() - 60_000)
      const due = await database.asSystem((trx) =>
        trx
          .selectFrom('payment_refunds')
          .innerJoin('payments', 'payments.id', 'payment_refunds.payment_id')
          .selectAll('payment_refunds')
          .select('payments.intent_id')
          .where('payment_refunds.state', '=', 'requested')
          .where('payment_refunds.created_at', '<', before)
          .limit(20)
          .execute(),
      )
      for (const { intent_id: intentId, ...refund } of due)
        if (intentId) await make(refund, intentId).catch((error) => deps.onError(error, refund.id))
    },
  }
}

function isDefinite(error: unknown): boolean {
  return error instanceof ReefError && error.kind !== 'unavailable'
}

/** Takes the credits before the money goes, so that nobody spends them in between. */
async function take(
  trx: Trx,
  paymentId: string,
  request: RefundRequest,
  now: Date,
): Promise<{ refund: RefundRow; intentId: string }> {
  const record = await lock(trx, paymentId)
  const { payment } = record
  if (payment.state !== 'paid' || payment.intent_id === null)
    throw conflict('payment_not_paid', 'Only what was paid can be refunded. This payment was not.')
  const known = await findEarlier(trx, paymentId, request)
  if (known) return { refund: known, intentId: payment.intent_id }
  if (record.disputes.some((dispute) => dispute.state === 'open' || dispute.state === 'lost'))
    throw conflict(
      'payment_disputed',
      'This payment is disputed: the money goes back through the dispute. Answer that at the provider.',
    )
  const amountCents = await chooseAmount(trx, record, request)
  const credits = creditsOfMoney(payment, amountCents)
  const id = request.idempotencyKey ?? newId()
  const operation: Operation = {
    kind: 'refund',
    organizationId: payment.organization_id,
    key: refundKey(id, 0),
    amount: credits,
    reference: payment.id,
    actorUserId: request.operatorUserId,
    ...(request.reason ? { note: request.reason } : {}),
  }
  const [outcome] = await applyOperations(trx, [operation])
  const { available: taken } = movedOutOf(outcome && receiptOfOutcome(outcome, operation))
  await trx
    .updateTable('payments')
    .set({ version: payment.version + 1 })
    .where('id', '=', payment.id)
    .execute()
  const refund = await trx
    .insertInto('payment_refunds')
    .values({
      id,
      payment_id: payment.id,
      organization_id: payment.organization_id,
      refund_id: null,
      state: 'requested',
      amount_cents: amountCents,
      credits,
      taken,
      reason: request.reason ?? null,
      requested_by: request.operatorUserId,
      created_at: now,
    })
    .returningAll()
    .executeTakeFirstOrThrow()
  return { refund, intentId: payment.intent_id }
}

/** Whoever did not hear what came of a refund asks again, and must not get another one. */
async function findEarlier(
  trx: Trx,
  paymentId: string,
  { idempotencyKey, amountCents }: RefundRequest,
): Promise<RefundRow | undefined> {
  if (idempotencyKey === undefined) return undefined
  const known = await trx
    .selectFrom('payment_refunds')
    .selectAll()
    .where('id', '=', idempotencyKey)
    .executeTakeFirst()
  if (!known) return undefined
  if (known.payment_id !== paymentId || (amountCents !== undefined && amountCents !== known.amount_cents))
    throw conflict(
      'idempotency_key_reused',
      'This idempotency key was used for another refund. Use a new key for each.',
    )
  if (known.state === 'returned')
    throw conflict(
      'refund_returned',
      'This refund came to nothing and its credits are back. Ask for it again with a new idempotency key.',
    )
  return known
}

async function lock(trx: Trx, paymentId: string): Promise<PaymentRecord> {
  if (isId(paymentId))
    await trx.selectFrom('payments').select('id').where('id', '=', paymentId).forUpdate().execute()
  const record = isId(paymentId) ? await findPayment(trx, paymentId) : undefined
  if (!record) throw notFound('no such payment')
  return record
}

async function chooseAmount(trx: Trx, record: PaymentRecord, request: RefundRequest): Promise<number> {
  const { payment } = record
  const book = await trx
    .selectFrom('ledger_books')
    .select('available')
    .where('organization_id', '=', payment.organization_id)
    .forUpdate()
    .executeTakeFirst()
  const available = book?.available ?? 0
  const { leftCents: left, unusedCents: unused } = refundable(record, available)
  if (left <= 0) throw conflict('payment_refunded', 'All of this payment was refunded already.')
  const wanted = request.amountCents ?? (request.force ? left : unused)
  if (wanted > left)
    throw invalid(
      'amountCents',
      `Only ${formatMoney(left, payment.currency)} of this payment are left to refund.`,
    )
  if (wanted <= 0 || (wanted > unused && !request.force))
    throw conflict(
      'credits_used',
      `${formatCredits(available)} credits are unused, which is ${formatMoney(unused, payment.currency)}. Refund at most that, or force it: what was used is then written off.`,
    )
  return wanted
}

async function giveBack(trx: Trx, refund: RefundRow): Promise<void> {
  const { payment } = await lock(trx, refund.payment_id)
  const row = await trx
    .selectFrom('payment_refunds')
    .selectAll()
    .where('id', '=', refund.id)
    .executeTakeFirstOrThrow()
  if (row.state !== 'requested') return
  const turn = row.turn + 1
  const operation: Operation = {
    kind: 'purchase',
    organizationId: row.organization_id,
    key: refundKey(row.id, turn),
    amount: row.taken,
    reference: row.payment_id,
    note: returnedNote,
  }
  const [outcome] = await applyOperations(trx, [operation])
  if (outcome) receiptOfOutcome(outcome, operation)
  await trx
    .updateTable('payment_refunds')
    .set({ state: 'returned', turn, updated_at: sql<Date>`now()` })
    .where('id', '=', row.id)
    .execute()
  await trx
    .updateTable('payments')
    .set({ version: payment.version + 1 })
    .where('id', '=', payment.id)
    .execute()
}
