import type Stripe from 'stripe'
import { toProviderEvent } from '../../../src/adapters/stripe/events.ts'
import type { ProviderEvent } from '../../../src/domain/payments/payments.ts'
import type { StripeEvent } from './state.ts'

/** Events as they are once their signature was found good. */
export function toProviderEvents(events: readonly StripeEvent[]): ProviderEvent[] {
  // The fake's events have what Reef reads of Stripe's.
  return events.map((event) => toProviderEvent(event as unknown as Stripe.Event))
}
