import type { Selectable } from 'kysely'
import type {
  PaymentDisputesTable,
  PaymentKind,
  PaymentRefundsTable,
  PaymentState,
  PaymentsTable,
} from '../../db/tables/payments.ts'

export type PaymentRow = Selectable<PaymentsTable>
export type RefundRow = Selectable<PaymentRefundsTable>
export type DisputeRow = Selectable<PaymentDisputesTable>

/** A payment with all that became of it. */
export interface PaymentRecord {
  payment: PaymentRow
  refunds: RefundRow[]
  disputes: DisputeRow[]
}

/** As people see it. */
export interface Payment {
  id: string
  kind: PaymentKind
  state: PaymentState
  pack: string
  creditsMicros: number
  amountCents: number
  currency: string
  refundedCents: number
  /** The most telling state of its disputes. */
  dispute: 'inquiry' | 'open' | 'won' | 'lost' | null
  receiptUrl: string | null
  failure: string | null
  createdAt: string
  paidAt: string | null
}

export function toPayment({ payment, refunds, disputes }: PaymentRecord): Payment {
  const states = new Set(disputes.map((dispute) => dispute.state))
  return {
    id: payment.id,
    kind: payment.kind,
    state: payment.state,
    pack: payment.pack,
    creditsMicros: payment.credits,
    amountCents: payment.amount_cents,
    currency: payment.currency,
    refundedCents: refundedCents(refunds),
    dispute: (['open', 'lost', 'inquiry', 'won'] as const).find((state) => states.has(state)) ?? null,
    receiptUrl: payment.receipt_url,
    failure: payment.problem ?? payment.failure_message,
    createdAt: payment.created_at.toISOString(),
    paidAt: payment.paid_at?.toISOString() ?? null,
  }
}

export function refundedCents(refunds: readonly RefundRow[]): number {
  return refunds.reduce((sum, refund) => (refund.state === 'returned' ? sum : sum + refund.amount_cents), 0)
}
