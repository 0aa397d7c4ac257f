import { invalidRequest } from './errors.ts'
import {
  type Charge,
  type Dispute,
  get,
  type Intent,
  newObject,
  now,
  type PaymentError,
  type PaymentMethod,
  type Refund,
  type Session,
  type State,
} from './state.ts'

/** How a card behaves: the numbers are those of Stripe's test cards. */
export const cards = {
  good: '4242424242424242',
  declined: '4000000000000002',
  /** Can be saved and paid with at once, and declines ever after. */
  declinesLater: '4000000000000341',
  insufficientFunds: '4000000000009995',
  /** Works while its owner is there to confirm, and never when they are away. */
  authenticationRequired: '4000002760003184',
} as const

/** Where the numbers of the cards are: Stripe shows only the last four digits. */
const numbers = new WeakMap<PaymentMethod, string>()

export function newMethod(state: State, number: string): PaymentMethod {
  const method: PaymentMethod = {
    ...newObject('pm', 'payment_method'),
    type: 'card',
    customer: null,
    card: { brand: 'visa', last4: number.slice(-4), exp_month: 12, exp_year: 2034 },
  }
  numbers.set(method, number)
  state.methods.set(method.id, method)
  return method
}

export function attach(state: State, method: PaymentMethod, customerId: string): void {
  method.customer = customerId
  state.emit('payment_method.attached', method)
}

export function detach(state: State, method: PaymentMethod): void {
  const { customer } = method
  method.customer = null
  state.emit('payment_method.detached', method, { customer })
}

function problemOf(method: PaymentMethod, offSession: boolean): PaymentError | null {
  const plain = { code: 'card_declined', decline_code: 'generic_decline', message: 'Your card was declined.' }
  switch (numbers.get(method)) {
    case cards.declined:
      return plain
    case cards.declinesLater:
      return offSession ? plain : null
    case cards.insufficientFunds:
      return {
        code: 'card_declined',
        decline_code: 'insufficient_funds',
        message: 'Your card has insufficient funds.',
      }
    case cards.authenticationRequired:
      return offSession
        ? {
            code: 'authentication_required',
            decline_code: 'authentication_required',
            message: 'Your card was declined. This transaction requires authentication.',
          }
        : null
    default:
      return null
  }
}

export function newIntent(
  state: State,
  values: Pick<Intent, 'amount' | 'currency' | 'customer' | 'description' | 'metadata'>,
): Intent {
  const intent: Intent = {
    ...newObject('pi', 'payment_intent'),
    ...values,
    amount_received: 0,
    status: 'requires_payment_method',
    payment_method: null,
    latest_charge: null,
    last_payment_error: null,
  }
  state.intents.set(intent.id, intent)
  state.emit('payment_intent.created', intent)
  return intent
}

/** Charges the card, and answers whether that worked. */
export function confirm(state: State, intent: Intent, method: PaymentMethod, offSession: boolean): boolean {
  const problem = problemOf(method, offSession)
  intent.last_payment_error = problem && { ...problem, type: 'card_error' }
  if (problem) {
    state.emit('payment_intent.payment_failed', intent)
    return false
  }
  intent.payment_method = method.id
  succeed(state, intent)
  return true
}

function succeed(state: State, intent: Intent): void {
  const charge: Charge = {
    ...newObject('ch', 'charge'),
    amount: intent.amount,
    amount_refunded: 0,
    currency: intent.currency,
    customer: intent.customer,
    disputed: false,
    metadata: intent.metadata,
    payment_intent: intent.id,
    receipt_url: `${state.url}/receipts/${intent.id}`,
    refunded: false,
    status: 'succeeded',
  }
  state.charges.set(charge.id, charge)
  Object.assign(intent, { status: 'succeeded', amount_received: intent.amount, latest_charge: charge.id })
  state.emit('charge.succeeded', charge)
  state.emit('payment_intent.succeeded', intent)
}

export function cancel(state: State, intent: Intent): void {
  if (intent.status === 'succeeded' || intent.status === 'canceled')
    throw invalidRequest(
      `You cannot cancel this PaymentIntent because it has a status of ${intent.status}.`,
      undefined,
      'payment_intent_unexpected_state',
    )
  intent.status = 'canceled'
  state.emit('payment_intent.canceled', intent)
}

/** Somebody pays on the page. Answers what the page then says, or null when all went well. */
export function paySession(state: State, session: Session, number: string): string | null {
  if (session.status !== 'open') return 'This page is no longer valid.'
  const extras = get(state.extras, session.id, 'checkout session')
  const intent = session.payment_intent
    ? get(state.intents, session.payment_intent, 'payment_intent')
    : newIntent(state, {
        amount: session.amount_total,
        currency: session.currency,
        customer: session.customer,
        description: extras.description,
        metadata: extras.intentMetadata,
      })
  session.payment_intent = intent.id
  const method = newMethod(state, number)
  if (!confirm(state, intent, method, false)) return intent.last_payment_error?.message ?? 'Declined.'
  if (extras.saveCard) attach(state, method, session.customer)
  complete(state, session, 'paid')
  return null
}

/** Somebody orders a transfer that their bank takes days for. */
export function payByBank(state: State, session: Session): Intent {
  const extras = get(state.extras, session.id, 'checkout session')
  const intent = newIntent(state, {
    amount: session.amount_total,
    currency: session.currency,
    customer: session.customer,
    description: extras.description,
    metadata: extras.intentMetadata,
  })
  intent.status = 'processing'
  session.payment_intent = intent.id
  complete(state, session, 'unpaid')
  return intent
}

/** The bank has decided. */
export function settleBank(state: State, session: Session, arrives: boolean): void {
  const intent = get(state.intents, session.payment_intent ?? '', 'payment_intent')
  if (arrives) {
    succeed(state, intent)
    session.payment_status = 'paid'
    state.emit('checkout.session.async_payment_succeeded', session)
    return
  }
  Object.assign(intent, {
    status: 'requires_payment_method',
    last_payment_error: {
      code: 'payment_intent_payment_attempt_failed',
      message: 'The transfer did not arrive.',
    },
  })
  state.emit('payment_intent.payment_failed', intent)
  state.emit('checkout.session.async_payment_failed', session)
}

function complete(state: State, session: Session, paymentStatus: Session['payment_status']): void {
  Object.assign(session, { status: 'complete', payment_status: paymentStatus, url: null })
  state.emit('checkout.session.completed', session)
}

export function expire(state: State, session: Session): void {
  Object.assign(session, { status: 'expired', url: null })
  state.emit('checkout.session.expired', session)
}

export function refund(
  state: State,
  intent: Intent,
  options: { amount?: number | undefined; metadata?: Record<string, string> } = {},
): Refund {
  const charge = get(state.charges, intent.latest_charge ?? '', 'charge', 'payment_intent')
  const left = charge.amount - charge.amount_refunded
  const amount = options.amount ?? left
  if (left === 0)
    throw invalidRequest(
      `Charge ${charge.id} has already been refunded.`,
      undefined,
      'charge_already_refunded',
    )
  if (amount > left)
    throw invalidRequest(
      `Refund amount ($${amount / 100}) is greater than unrefunded amount on charge ($${left / 100})`,
      'amount',
    )
  const made: Refund = {
    ...newObject('re', 'refund'),
    amount,
    currency: charge.currency,
    charge: charge.id,
    payment_intent: intent.id,
    metadata: options.metadata ?? {},
    status: 'succeeded',
  }
  state.refunds.set(made.id, made)
  charge.amount_refunded += amount
  charge.refunded = charge.amount_refunded === charge.amount
  state.emit('refund.created', made)
  state.emit('charge.refunded', charge)
  return made
}

/** A refund that the bank sends back, days later. */
export function failRefund(state: State, made: Refund): void {
  made.status = 'failed'
  const charge = get(state.charges, made.charge, 'charge')
  charge.amount_refunded -= made.amount
  charge.refunded = false
  state.emit('refund.failed', made)
  state.emit('charge.refund.updated', made)
}

export function dispute(
  state: State,
  intent: Intent,
  options: { amount?: number; status?: Dispute['status'] } = {},
): Dispute {
  const charge = get(state.charges, intent.latest_charge ?? '', 'charge')
  const made: Dispute = {
    ...newObject('du', 'dispute'),
    amount: options.amount ?? charge.amount,
    currency: charge.currency,
    charge: charge.id,
    payment_intent: intent.id,
    reason: 'fraudulent',
    status: options.status ?? 'needs_response',
    evidence_details: { due_by: now() + 7 * 86_400 },
  }
  state.disputes.set(made.id, made)
  charge.disputed = true
  state.emit('charge.dispute.created', made)
  if (made.status === 'needs_response') state.emit('charge.dispute.funds_withdrawn', made)
  return made
}

export function changeDispute(state: State, made: Dispute, status: Dispute['status']): void {
  made.status = status
  state.emit('charge.dispute.updated', made)
  if (status === 'won') state.emit('charge.dispute.funds_reinstated', made)
  if (status === 'won' || status === 'lost' || status === 'warning_closed')
    state.emit('charge.dispute.closed', made)
}
