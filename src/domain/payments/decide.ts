import type { DisputeState, PaymentState } from '../../db/tables/payments.ts'
import { impossible } from '../../errors.ts'
import type { Operation } from '../credits/operation.ts'
import { creditsOfMoney, formatMoney } from './packs.ts'
import type { DisputeRow, PaymentRecord, PaymentRow, RefundRow } from './payment.ts'
import type { DisputeFacts, PaymentFacts, RefundFacts } from './payments.ts'

/** What the provider says now against what is known here: every difference, and the ledger's part of each. */
export interface Changes {
  payment: Partial<PaymentRow>
  purchase: Operation | null
  refunds: RefundChange[]
  disputes: DisputeChange[]
}

export interface RefundChange {
  known: RefundRow | undefined
  facts: RefundFacts
  state: 'made' | 'returned'
  turn: number
  credits: number
  operation: Operation | null
}

export interface DisputeChange {
  known: DisputeRow | undefined
  facts: DisputeFacts
  turn: number
  credits: number
  operation: Operation | null
}

/**
 * Nothing here depends on how it came to be known: the facts are everything that is true now, oldest first, and each has
 * its effect once. So a payment comes to the same whatever was heard of it, in which order and how often.
 */
export function decide(record: PaymentRecord, facts: PaymentFacts, now: Date): Changes {
  const { payment } = record
  const problem = facts.state === 'paid' ? problemOf(payment, facts) : null
  const paid = payment.state === 'paid' || (facts.state === 'paid' && problem === null)
  const changes: Changes = { payment: {}, purchase: null, refunds: [], disputes: [] }
  changes.payment = {
    checkout_id: payment.checkout_id ?? facts.checkoutId,
    intent_id: payment.intent_id ?? facts.intentId,
    receipt_url: facts.receiptUrl ?? payment.receipt_url,
    // The provider may forget why it failed, and it no longer matters once it was paid.
    failure_code: facts.state === 'paid' ? null : (facts.failure?.code ?? payment.failure_code),
    failure_message: facts.state === 'paid' ? null : (facts.failure?.message ?? payment.failure_message),
    problem,
    state: nextState(payment.state, facts.state, paid),
  }
  if (!paid) return changes
  if (payment.state !== 'paid') {
    changes.payment.paid_at = now
    changes.purchase = {
      ...request(payment, `payment:${payment.id}:purchase`),
      kind: 'purchase',
      amount: payment.credits,
    }
  }
  changes.refunds = facts.refunds.flatMap((one) => decideRefund(record, one))
  changes.disputes = facts.disputes.flatMap((one) => decideDispute(record, one))
  return changes
}

/** Money that came in is never forgotten again, whatever is heard later. */
function nextState(before: PaymentState, told: PaymentState, paid: boolean): PaymentState {
  if (paid) return 'paid'
  // Paid, but not what was asked for: the operator has to look.
  return told === 'paid' ? before : told
}

function problemOf(payment: PaymentRow, facts: PaymentFacts): string | null {
  if (facts.amountCents === payment.amount_cents && facts.currency === payment.currency) {
    if (facts.customerId === null || facts.customerId === payment.customer_id) return null
    return `It was paid by another customer, ${facts.customerId}. No credits were given.`
  }
  const [received, asked] = [facts, { amountCents: payment.amount_cents, currency: payment.currency }].map(
    (money) => formatMoney(money.amountCents, money.currency),
  )
  return `${received} was paid instead of ${asked}. No credits were given.`
}

function request(payment: PaymentRow, key: string) {
  return { organizationId: payment.organization_id, key, reference: payment.id }
}

function decideRefund({ payment, refunds }: PaymentRecord, facts: RefundFacts): RefundChange[] {
  const known = refunds.find((one) => one.refund_id === facts.refundId || one.id === facts.ownId)
  const state = facts.state === 'made' ? 'made' : 'returned'
  if (known?.state === state && known.refund_id !== null) return []
  const turn = known ? known.turn + 1 : 0
  const credits = known?.credits ?? creditsOfMoney(payment, facts.amountCents)
  const shared = request(payment, refundKey(known?.requested_by ? known.id : facts.refundId, turn))
  return [
    { known, facts, state, turn, credits, operation: refundOperation(shared, known, facts.state, credits) },
  ]
}

function refundOperation(
  shared: ReturnType<typeof request>,
  known: RefundRow | undefined,
  state: RefundFacts['state'],
  credits: number,
): Operation | null {
  if (state === 'made') {
    if (!known) return { ...shared, kind: 'refund', amount: credits }
    // What was given back when it came to nothing; what had been used is written off already.
    return known.state === 'returned' ? { ...shared, kind: 'refund', amount: known.taken } : null
  }
  if (!known || known.state === 'returned') return null
  return { ...shared, kind: 'purchase', amount: known.taken, note: returnedNote }
}

export const returnedNote = 'The refund came to nothing.'

/** A refund can come to nothing, be made after all, and come to nothing once more: the ledger hears of each turn. */
export function refundKey(id: string, turn: number): string {
  return turn === 0 ? `refund:${id}` : `refund:${id}:${turn}`
}

function decideDispute({ payment, disputes }: PaymentRecord, facts: DisputeFacts): DisputeChange[] {
  const known = disputes.find((one) => one.dispute_id === facts.disputeId)
  if (known?.state === facts.state) return []
  // What was lost is lost until it is won; nothing opens it again.
  if (known?.state === 'lost' && facts.state !== 'won') return []
  const turn = (known?.turn ?? 0) + 1
  const credits = known?.credits ?? creditsOfMoney(payment, facts.amountCents)
  const shared = request(payment, `dispute:${facts.disputeId}:${turn}`)
  return [{ known, facts, turn, credits, operation: disputeOperation(shared, known, facts.state, credits) }]
}

function disputeOperation(
  shared: ReturnType<typeof request>,
  known: DisputeRow | undefined,
  state: DisputeState,
  credits: number,
): Operation | null {
  switch (state) {
    case 'open':
      return { ...shared, kind: 'freeze', amount: credits }
    case 'lost':
      return { ...shared, kind: 'forfeit', amount: credits, frozen: known?.frozen ?? 0 }
    case 'won':
    case 'inquiry':
      if (known?.state === 'open') return { ...shared, kind: 'unfreeze', amount: known.frozen }
      if (known?.state === 'lost')
        return { ...shared, kind: 'purchase', amount: known.taken, note: 'The dispute was won after all.' }
      return null
    default:
      return impossible(state)
  }
}
