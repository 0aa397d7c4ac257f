import { moneyOfCredits } from './packs.ts'
import { type PaymentRecord, refundedCents } from './payment.ts'

/** How much of a payment could be given back, and how much of that for credits that are still there. */
export function refundable(
  { payment, refunds }: PaymentRecord,
  availableMicros: number,
): { leftCents: number; unusedCents: number } {
  const paid = payment.state === 'paid' ? payment.amount_cents : 0
  const leftCents = Math.max(0, paid - refundedCents(refunds))
  return { leftCents, unusedCents: Math.min(leftCents, moneyOfCredits(payment, availableMicros)) }
}
