import type Stripe from 'stripe'
import type { ProviderEvent } from '../../domain/payments/payments.ts'

/** The events to subscribe to: everything by which a payment or a saved card can change. */
export const handledEvents: ReadonlySet<string> = new Set([
  'checkout.session.completed',
  'checkout.session.async_payment_succeeded',
  'checkout.session.async_payment_failed',
  'checkout.session.expired',
  'payment_intent.succeeded',
  'payment_intent.payment_failed',
  'payment_intent.canceled',
  'charge.refunded',
  'charge.refund.updated',
  'refund.created',
  'refund.updated',
  'refund.failed',
  'charge.dispute.created',
  'charge.dispute.updated',
  'charge.dispute.funds_withdrawn',
  'charge.dispute.funds_reinstated',
  'charge.dispute.closed',
  'customer.updated',
  'payment_method.attached',
  'payment_method.detached',
  'payment_method.updated',
  'payment_method.automatically_updated',
])

/** What every version of Stripe's API says alike about the object of an event. */
interface EventObject {
  id?: string
  object?: string
  customer?: string | { id: string } | null
  payment_intent?: string | { id: string } | null
  metadata?: Record<string, string> | null
}

/** On every object of ours at Stripe, so that it is found again whatever was lost. */
export const paymentIdKey = 'reef_payment_id'
export const refundIdKey = 'reef_refund_id'
export const organizationIdKey = 'reef_organization_id'

/** Only ids are taken from an event: the objects are asked for as they are when it is processed. */
export function toProviderEvent(event: Stripe.Event): ProviderEvent {
  // The version of an event's object is the endpoint's, which may be another than the library's types.
  const object = event.data.object as EventObject
  return {
    id: event.id,
    type: event.type,
    createdAt: new Date(event.created * 1000),
    subject: {
      paymentId: uuidOf(object.metadata?.[paymentIdKey]),
      checkoutId: object.object === 'checkout.session' ? (object.id ?? null) : null,
      intentId: object.object === 'payment_intent' ? (object.id ?? null) : idOf(object.payment_intent),
      customerId: customerOf(event, object),
    },
  }
}

function customerOf(event: Stripe.Event, object: EventObject): string | null {
  if (object.object === 'customer') return object.id ?? null
  // A card that was just taken away says only before whose it was.
  const before = event.data.previous_attributes as EventObject | undefined
  return idOf(object.customer) ?? idOf(before?.customer)
}

export function idOf(reference: string | { id: string } | null | undefined): string | null {
  if (reference === null || reference === undefined) return null
  return typeof reference === 'string' ? reference : reference.id
}

/** Anybody who may write metadata at Stripe may write anything. */
export function uuidOf(text: string | undefined): string | null {
  return text !== undefined && /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text) ? text : null
}
