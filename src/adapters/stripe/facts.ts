import type Stripe from 'stripe'
import type { PaymentState } from '../../db/tables/payments.ts'
import type { DisputeFacts, PaymentFacts, RefundFacts } from '../../domain/payments/payments.ts'
import { idOf, refundIdKey, uuidOf } from './events.ts'

/** What Stripe's objects say, in our words. */

export interface PaymentObjects {
  session: Stripe.Checkout.Session | null
  /** With its latest charge. */
  intent: Stripe.PaymentIntent | null
  refunds: Stripe.Refund[]
  disputes: Stripe.Dispute[]
}

export function toFacts({ session, intent, refunds, disputes }: PaymentObjects): PaymentFacts {
  const charge = intent && typeof intent.latest_charge === 'object' ? intent.latest_charge : null
  return {
    state: stateOf(session, intent),
    checkoutId: session?.id ?? null,
    intentId: intent?.id ?? null,
    customerId: idOf(intent?.customer ?? session?.customer),
    amountCents: intent?.amount_received ?? 0,
    currency: intent?.currency ?? session?.currency ?? '',
    receiptUrl: charge?.receipt_url ?? null,
    failure: failureOf(intent),
    refunds: refunds.map(toRefund).sort(byAge),
    disputes: disputes.map(toDispute).sort(byAge),
  }
}

function byAge(a: { createdAt: Date }, b: { createdAt: Date }): number {
  return a.createdAt.getTime() - b.createdAt.getTime()
}

/** The intent says whether money came; the session whether it still may. */
function stateOf(session: Stripe.Checkout.Session | null, intent: Stripe.PaymentIntent | null): PaymentState {
  if (intent?.status === 'succeeded') return 'paid'
  if (session?.status === 'open') return 'open'
  if (session?.status === 'expired') return 'expired'
  if (intent?.status === 'processing') return 'processing'
  if (intent?.status === 'canceled') return 'failed'
  // Off the session nobody is there to pay with another card, or to confirm.
  if (!session && intent)
    return intent.last_payment_error || intent.status === 'requires_action' ? 'failed' : 'open'
  return intent?.last_payment_error ? 'failed' : 'processing'
}

export function failureOf(intent: Stripe.PaymentIntent | null): PaymentFacts['failure'] {
  const error = intent?.last_payment_error
  if (!intent || intent.status === 'succeeded') return null
  if (!error) return intent.status === 'requires_action' ? authenticationRequired : null
  return {
    code: error.code === 'card_declined' ? (error.decline_code ?? error.code) : (error.code ?? 'unknown'),
    message: error.message ?? 'The bank gave no reason.',
  }
}

const authenticationRequired = {
  code: 'authentication_required',
  message: 'The bank wants you to confirm this payment.',
}

function toRefund(refund: Stripe.Refund): RefundFacts {
  return {
    refundId: refund.id,
    ownId: uuidOf(refund.metadata?.[refundIdKey]),
    amountCents: refund.amount,
    // One that is pending has left the balance already.
    state: refund.status === 'failed' || refund.status === 'canceled' ? 'undone' : 'made',
    createdAt: new Date(refund.created * 1000),
  }
}

function toDispute(dispute: Stripe.Dispute): DisputeFacts {
  const dueBy = dispute.evidence_details?.due_by
  return {
    disputeId: dispute.id,
    amountCents: dispute.amount,
    state: disputeStates[dispute.status] ?? 'open',
    reason: dispute.reason,
    dueAt: dueBy ? new Date(dueBy * 1000) : null,
    createdAt: new Date(dispute.created * 1000),
  }
}

/** A warning, and a dispute that was prevented, took no money. */
const disputeStates: Record<string, DisputeFacts['state']> = {
  warning_needs_response: 'inquiry',
  warning_under_review: 'inquiry',
  warning_closed: 'inquiry',
  prevented: 'inquiry',
  needs_response: 'open',
  under_review: 'open',
  won: 'won',
  lost: 'lost',
  // An appeal follows a loss: the money stays away until it is won.
  appeal_needs_response: 'lost',
  appeal_under_review: 'lost',
}
