import { randomBytes } from 'node:crypto'
import { missing } from './errors.ts'

/** The parts of Stripe's objects that Reef or its library look at, under Stripe's own names. */

interface StripeObject {
  id: string
  object: string
  created: number
  livemode: false
}

export interface Customer extends StripeObject {
  object: 'customer'
  email: string
  name: string
  metadata: Record<string, string>
  invoice_settings: { default_payment_method: string | null }
  deleted?: true
}

export interface PaymentMethod extends StripeObject {
  object: 'payment_method'
  type: 'card'
  customer: string | null
  card: { brand: string; last4: string; exp_month: number; exp_year: number }
}

export interface Session extends StripeObject {
  object: 'checkout.session'
  mode: 'payment'
  status: 'open' | 'complete' | 'expired'
  payment_status: 'unpaid' | 'paid'
  customer: string
  amount_total: number
  currency: string
  metadata: Record<string, string>
  payment_intent: string | null
  url: string | null
  success_url: string
  cancel_url: string
  expires_at: number
}

export interface PaymentError {
  code: string
  decline_code?: string
  message: string
  type?: string
}

export interface Intent extends StripeObject {
  object: 'payment_intent'
  amount: number
  amount_received: number
  currency: string
  customer: string | null
  description: string | null
  metadata: Record<string, string>
  status: 'requires_payment_method' | 'requires_action' | 'processing' | 'succeeded' | 'canceled'
  payment_method: string | null
  latest_charge: string | null
  last_payment_error: PaymentError | null
}

export interface Charge extends StripeObject {
  object: 'charge'
  amount: number
  amount_refunded: number
  currency: string
  customer: string | null
  disputed: boolean
  metadata: Record<string, string>
  payment_intent: string
  receipt_url: string
  refunded: boolean
  status: 'succeeded'
}

export interface Refund extends StripeObject {
  object: 'refund'
  amount: number
  currency: string
  charge: string
  payment_intent: string
  metadata: Record<string, string>
  status: 'pending' | 'succeeded' | 'failed' | 'canceled'
}

export interface Dispute extends StripeObject {
  object: 'dispute'
  amount: number
  currency: string
  charge: string
  payment_intent: string
  reason: string
  status:
    | 'warning_needs_response'
    | 'warning_closed'
    | 'needs_response'
    | 'under_review'
    | 'appeal_under_review'
    | 'won'
    | 'lost'
  evidence_details: { due_by: number }
}

/** A page for a customer's cards. */
export interface Portal extends StripeObject {
  object: 'billing_portal.session'
  customer: string
  return_url: string
  url: string
}

export interface StripeEvent extends StripeObject {
  object: 'event'
  api_version: string
  type: string
  pending_webhooks: number
  request: { id: string | null; idempotency_key: string | null }
  data: { object: object; previous_attributes?: object }
}

export type Objects = {
  customers: Map<string, Customer>
  methods: Map<string, PaymentMethod>
  sessions: Map<string, Session>
  portals: Map<string, Portal>
  intents: Map<string, Intent>
  charges: Map<string, Charge>
  refunds: Map<string, Refund>
  disputes: Map<string, Dispute>
  events: Map<string, StripeEvent>
}

/** What session creation asks for beyond what a session shows. */
export interface SessionExtras {
  description: string
  intentMetadata: Record<string, string>
  saveCard: boolean
}

export interface State extends Objects {
  extras: Map<string, SessionExtras>
  /** Makes an event of it, as it is now. */
  emit(type: string, object: object, previous?: object): void
  /** Where the fake listens. */
  url: string
}

/** Seconds, as Stripe counts. */
export function now(): number {
  return Math.floor(Date.now() / 1000)
}

export function newObject<O extends string>(prefix: string, object: O) {
  return {
    id: `${prefix}_${randomBytes(12).toString('hex')}`,
    object,
    created: now(),
    livemode: false as const,
  }
}

export function get<T>(objects: Map<string, T>, id: string | undefined, what: string, param = 'id'): T {
  const found = objects.get(id ?? '')
  if (found === undefined) throw missing(what, id ?? '', param)
  return found
}

export function createState(url: string, onEvent: (event: StripeEvent) => void): State {
  const state: State = {
    customers: new Map(),
    methods: new Map(),
    sessions: new Map(),
    portals: new Map(),
    intents: new Map(),
    charges: new Map(),
    refunds: new Map(),
    disputes: new Map(),
    events: new Map(),
    extras: new Map(),
    url,
    emit: (type, object, previous) => {
      const event: StripeEvent = {
        ...newObject('evt', 'event'),
        api_version: '2026-09-30.endive',
        type,
        pending_webhooks: 1,
        request: { id: null, idempotency_key: null },
        data: structuredClone({ object, ...(previous ? { previous_attributes: previous } : {}) }),
      }
      state.events.set(event.id, event)
      onEvent(event)
    },
  }
  return state
}
