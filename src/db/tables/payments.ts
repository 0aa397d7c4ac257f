import type { ColumnType, Generated } from 'kysely'

export type PaymentKind = 'checkout' | 'auto_top_up'
export type PaymentState = 'open' | 'processing' | 'paid' | 'failed' | 'expired'
export type RefundState = 'requested' | 'made' | 'returned'
export type DisputeState = 'inquiry' | 'open' | 'won' | 'lost'

/** Which objects of the provider an event is about. */
export interface EventSubject {
  paymentId: string | null
  checkoutId: string | null
  intentId: string | null
  customerId: string | null
}

export interface PaymentCustomersTable {
  organization_id: string
  customer_id: string
  card_id: string | null
  card_brand: string | null
  card_last4: string | null
  card_expires: string | null
  created_at: Generated<Date>
  updated_at: Generated<Date>
}

export interface PaymentsTable {
  id: string
  organization_id: string
  kind: PaymentKind
  state: Generated<PaymentState>
  pack: string
  credits: number
  amount_cents: number
  currency: string
  customer_id: string
  checkout_id: string | null
  intent_id: string | null
  card_id: string | null
  receipt_url: string | null
  failure_code: string | null
  failure_message: string | null
  problem: string | null
  created_by: string | null
  created_at: Generated<Date>
  paid_at: Date | null
  version: Generated<number>
  look_at: Date | null
  refreshed_at: Generated<Date | null>
}

export interface PaymentRefundsTable {
  id: string
  payment_id: string
  organization_id: string
  refund_id: string | null
  state: RefundState
  turn: Generated<number>
  amount_cents: number
  credits: number
  taken: number
  reason: string | null
  requested_by: string | null
  created_at: Generated<Date>
  updated_at: Generated<Date>
}

export interface PaymentDisputesTable {
  dispute_id: string
  payment_id: string
  organization_id: string
  state: DisputeState
  turn: Generated<number>
  amount_cents: number
  credits: number
  frozen: Generated<number>
  taken: Generated<number>
  written_off: Generated<number>
  reason: string | null
  due_at: Date | null
  created_at: Generated<Date>
  updated_at: Generated<Date>
}

export interface StripeEventsTable {
  id: string
  type: string
  subject: ColumnType<EventSubject, string, string>
  source: 'webhook' | 'reconciliation'
  created_at: Date
  received_at: Generated<Date>
  processed_at: Date | null
  attempts: Generated<number>
  due_at: Generated<Date>
  failure: string | null
}

export interface AutoTopUpsTable {
  organization_id: string
  enabled: boolean
  threshold: number
  pack: string
  monthly_limit_cents: number
  failures: Generated<number>
  due_at: Generated<Date>
  problem: string | null
  updated_by: string | null
  updated_at: Generated<Date>
}

export interface PaymentReconciliationsTable {
  id: string
  from_at: Date
  until_at: Date
  started_at: Generated<Date>
  lease_until: Date
  finished_at: Date | null
  report: ColumnType<unknown, string | null, string | null>
  failure: string | null
}
