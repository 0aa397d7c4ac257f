import type { EventSubject, PaymentState } from '../../db/tables/payments.ts'

/**
 * A payment provider. Every method that changes something is idempotent by an id of ours: after a lost answer it is
 * called again with the same arguments. All throw a ReefError: `unavailable` when trying again may help, anything else
 * when it does not. No method is called within a transaction.
 */
export interface Payments {
  readonly name: 'stripe'
  /** Pretended money. */
  readonly testMode: boolean
  /** Why the provider's own words will not come, if they will not: for the operator. */
  readonly problem: string | null

  createCustomer(organization: { id: string; name: string; email: string }): Promise<string>
  /** A page of the provider's where a pack is paid. Throws `payment_customer_gone` when the customer was removed. */
  openCheckout(order: CheckoutOrder): Promise<{ checkoutId: string; url: string }>
  /** A page of the provider's for cards and receipts. */
  openPortal(customerId: string, returnUrl: string): Promise<string>
  /**
   * Charges a saved card while its owner is away, and returns the intent whether or not that worked. What failed stays
   * failed: nobody can pay it later. Throws `payment_method_missing` when the card was taken away.
   */
  chargeCard(order: ChargeOrder): Promise<ChargeResult>
  /** What an earlier `chargeCard` with this order has come to, without charging anything; null when nothing came of it. */
  findCharge(order: ChargeOrder): Promise<ChargeResult | null>
  /** Gives money back, unless a refund with this id of ours is already there. */
  refund(order: RefundOrder): Promise<void>

  /** What a payment and all of its refunds and disputes have come to, as of now. */
  read(reference: { checkoutId: string | null; intentId: string | null }): Promise<PaymentFacts>
  /** The payment of ours that an intent was made for; null for somebody else's. */
  findPaymentId(intentId: string): Promise<string | null>
  /** A customer's saved card, or null. */
  readCard(customerId: string): Promise<SavedCard | null>

  /** Throws unless exactly this body was signed by the provider within the last 300 seconds. */
  readEvent(body: Buffer, signature: string | undefined, now: Date): ProviderEvent
  /** Whether the event can change anything here. */
  isHandled(type: string): boolean
  /** Everything that happened from `since` on, in pages behind the scenes. */
  listEvents(since: Date): AsyncIterable<ProviderEvent>
  /** Payments of ours that were made from `since` on. */
  listPayments(since: Date): AsyncIterable<ListedPayment>
  listRefunds(since: Date): AsyncIterable<ListedObject>
  listDisputes(since: Date): AsyncIterable<ListedObject>
}

/** Where in the dashboard people come back to. */
export interface ReturnUrls {
  success: string
  cancel: string
}

export interface CheckoutOrder {
  paymentId: string
  organizationId: string
  customerId: string
  name: string
  amountCents: number
  currency: string
  /** Keep the card, with its owner's consent, for auto top-up. */
  saveCard: boolean
  urls: ReturnUrls
}

export interface ChargeOrder {
  paymentId: string
  organizationId: string
  customerId: string
  cardId: string
  name: string
  amountCents: number
  currency: string
  /** When it was first tried: an answer that was lost long ago has to be looked for. */
  since: Date
}

export interface ChargeResult {
  intentId: string
  failure: { code: string; message: string } | null
}

export interface RefundOrder {
  /** Ours. */
  refundId: string
  intentId: string
  amountCents: number
}

export interface SavedCard {
  cardId: string
  brand: string
  last4: string
  /** MM/YYYY */
  expires: string
}

export interface ProviderEvent {
  id: string
  type: string
  createdAt: Date
  subject: EventSubject
}

export interface PaymentFacts {
  state: PaymentState
  checkoutId: string | null
  intentId: string | null
  customerId: string | null
  /** What was received. */
  amountCents: number
  currency: string
  receiptUrl: string | null
  failure: { code: string; message: string } | null
  /** Oldest first. */
  refunds: RefundFacts[]
  /** Oldest first. */
  disputes: DisputeFacts[]
}

export interface RefundFacts {
  refundId: string
  /** Ours, when it was asked for here. */
  ownId: string | null
  amountCents: number
  /** Undone: it failed or was called off, and the money stayed. */
  state: 'made' | 'undone'
  createdAt: Date
}

export interface DisputeFacts {
  disputeId: string
  amountCents: number
  state: 'inquiry' | 'open' | 'won' | 'lost'
  reason: string
  /** Until when evidence is taken. */
  dueAt: Date | null
  createdAt: Date
}

export interface ListedPayment {
  paymentId: string
  intentId: string
  paid: boolean
  amountCents: number
}

export interface ListedObject {
  id: string
  intentId: string
}
