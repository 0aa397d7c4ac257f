import type { Trx } from '../../db/database.ts'
import { newId } from '../../ids.ts'
import type { Outcome, Receipt } from '../credits/book.ts'
import { refusalError } from '../credits/ledger.ts'
import { applyOperations } from '../credits/ledger-store.ts'
import type { Operation } from '../credits/operation.ts'
import type { Changes, DisputeChange, RefundChange } from './decide.ts'
import type { PaymentRecord, PaymentRow } from './payment.ts'

export async function findPayment(trx: Trx, paymentId: string): Promise<PaymentRecord | undefined> {
  const payment = await trx.selectFrom('payments').selectAll().where('id', '=', paymentId).executeTakeFirst()
  return payment && (await withRest(trx, [payment]))[0]
}

/** Adds refunds and disputes to payments. */
export async function withRest(trx: Trx, payments: PaymentRow[]): Promise<PaymentRecord[]> {
  if (payments.length === 0) return []
  const ids = payments.map(({ id }) => id)
  const refunds = await trx
    .selectFrom('payment_refunds')
    .selectAll()
    .where('payment_id', 'in', ids)
    .orderBy('created_at')
    .execute()
  const disputes = await trx
    .selectFrom('payment_disputes')
    .selectAll()
    .where('payment_id', 'in', ids)
    .orderBy('created_at')
    .execute()
  return payments.map((payment) => ({
    payment,
    refunds: refunds.filter((one) => one.payment_id === payment.id),
    disputes: disputes.filter((one) => one.payment_id === payment.id),
  }))
}

/**
 * Locks the payment if it is still as it was read, so that what was decided from it holds. Whoever locks a payment locks
 * it before the ledger's book.
 */
export async function lockPayment(trx: Trx, payment: PaymentRow): Promise<boolean> {
  const row = await trx
    .selectFrom('payments')
    .select('version')
    .where('id', '=', payment.id)
    .forUpdate()
    .executeTakeFirst()
  return row?.version === payment.version
}

/** Writes what was decided and does the ledger's part, in the transaction that holds the payment's lock. */
export async function applyChanges(
  trx: Trx,
  { payment }: PaymentRecord,
  changes: Changes,
  lookAt: Date | null,
): Promise<void> {
  const receipts = await post(trx, changes)
  const receiptOf = (operation: Operation | null) => (operation ? receipts.get(operation) : undefined)
  for (const change of changes.refunds) await writeRefund(trx, payment, change, receiptOf(change.operation))
  for (const change of changes.disputes) await writeDispute(trx, payment, change, receiptOf(change.operation))
  await trx
    .updateTable('payments')
    .set({ ...changes.payment, look_at: lookAt, version: payment.version + 1 })
    .where('id', '=', payment.id)
    .execute()
}

async function post(trx: Trx, changes: Changes): Promise<Map<Operation, Receipt>> {
  const operations = [changes.purchase, ...inOrder(changes)].filter((one) => one !== null)
  const outcomes = await applyOperations(trx, operations)
  return new Map(
    operations.map((operation, index) => [
      operation,
      receiptOfOutcome(outcomes[index] as Outcome, operation),
    ]),
  )
}

/** As they came about, so that what is there is taken by whatever was first. */
function inOrder({ refunds, disputes }: Changes): (Operation | null)[] {
  return [...refunds, ...disputes]
    .sort((a, b) => a.facts.createdAt.getTime() - b.facts.createdAt.getTime())
    .map((change) => change.operation)
}

/** For operations that nothing but a bug can refuse. */
export function receiptOfOutcome(outcome: Outcome, operation: Operation): Receipt {
  if (outcome.done) return outcome.receipt
  throw refusalError(outcome.refusal, operation)
}

/** How much of what was asked for was there. */
export function movedOutOf(receipt: Receipt | undefined): { available: number; frozen: number } {
  const moved = { available: 0, frozen: 0 }
  for (const { debit, amount } of receipt?.transfers ?? [])
    if (debit === 'available' || debit === 'frozen') moved[debit] += amount
  return moved
}

async function writeRefund(
  trx: Trx,
  payment: PaymentRow,
  { known, facts, state, turn, credits, operation }: RefundChange,
  receipt: Receipt | undefined,
): Promise<void> {
  // One that is heard of only when it has come to nothing took nothing, which is as if all that it took were back.
  const unmoved = known ? known.taken : credits
  const taken = operation?.kind === 'refund' ? movedOutOf(receipt).available : unmoved
  const changed = { refund_id: facts.refundId, state, turn, taken, updated_at: new Date() }
  if (known) await trx.updateTable('payment_refunds').set(changed).where('id', '=', known.id).execute()
  else
    await trx
      .insertInto('payment_refunds')
      .values({
        ...changed,
        id: newId(),
        payment_id: payment.id,
        organization_id: payment.organization_id,
        amount_cents: facts.amountCents,
        credits,
        reason: null,
        requested_by: null,
        created_at: facts.createdAt,
      })
      .execute()
}

async function writeDispute(
  trx: Trx,
  payment: PaymentRow,
  { known, facts, turn, credits, operation }: DisputeChange,
  receipt: Receipt | undefined,
): Promise<void> {
  const moved = movedOutOf(receipt)
  const lost = operation?.kind === 'forfeit' ? credits - moved.available - moved.frozen : 0
  const changed = {
    state: facts.state,
    turn,
    frozen: operation?.kind === 'freeze' ? moved.available : 0,
    taken: operation?.kind === 'forfeit' ? moved.available + moved.frozen : 0,
    written_off: (known?.written_off ?? 0) + lost,
    reason: facts.reason,
    due_at: facts.dueAt,
    updated_at: new Date(),
  }
  await trx
    .insertInto('payment_disputes')
    .values({
      ...changed,
      dispute_id: facts.disputeId,
      payment_id: payment.id,
      organization_id: payment.organization_id,
      amount_cents: facts.amountCents,
      credits: known?.credits ?? credits,
      created_at: facts.createdAt,
    })
    .onConflict((existing) => existing.column('dispute_id').doUpdateSet(changed))
    .execute()
}
