import Stripe from 'stripe'
import type { ChargeOrder, ChargeResult } from '../../domain/payments/payments.ts'
import { organizationIdKey, paymentIdKey } from './events.ts'
import { failureOf } from './facts.ts'

/** Stripe keeps idempotency keys for at least a day; well before that, what may be there is looked for instead. */
const keyMilliseconds = 12 * 3_600_000

/**
 * Charges a saved card off the session. A charge that fails is canceled at once: nobody can pay it later, when another
 * may have taken its place.
 */
export async function chargeCard(stripe: Stripe, order: ChargeOrder): Promise<ChargeResult> {
  const known = keepsKey(order) ? null : await findCharge(stripe, order)
  if (known) return known
  try {
    const intent = await stripe.paymentIntents.create(
      {
        amount: order.amountCents,
        currency: order.currency,
        customer: order.customerId,
        payment_method: order.cardId,
        description: order.name,
        // Nobody is there to be sent to another page.
        automatic_payment_methods: { enabled: true, allow_redirects: 'never' },
        confirm: true,
        off_session: true,
        metadata: { [paymentIdKey]: order.paymentId, [organizationIdKey]: order.organizationId },
      },
      { idempotencyKey: `top-up-${order.paymentId}` },
    )
    return await settle(stripe, intent)
  } catch (error) {
    const intent = intentOf(error)
    if (!intent) throw error
    return settle(stripe, intent)
  }
}

function keepsKey(order: ChargeOrder): boolean {
  return Date.now() - order.since.getTime() < keyMilliseconds
}

/** What an earlier try has come to, by its payment's id. */
export async function findCharge(stripe: Stripe, order: ChargeOrder): Promise<ChargeResult | null> {
  const created = { gte: Math.floor(order.since.getTime() / 1000) - 60 }
  for await (const intent of stripe.paymentIntents.list({ customer: order.customerId, created, limit: 100 }))
    if (intent.metadata[paymentIdKey] === order.paymentId) return settle(stripe, intent)
  return null
}

/** A card that is declined comes as an error that carries the intent. */
function intentOf(error: unknown): Stripe.PaymentIntent | undefined {
  return error instanceof Stripe.errors.StripeCardError
    ? (error.payment_intent as Stripe.PaymentIntent | undefined)
    : undefined
}

async function settle(stripe: Stripe, intent: Stripe.PaymentIntent): Promise<ChargeResult> {
  // Canceling may take the reason away.
  const failure = failureOf(intent)
  if (['requires_payment_method', 'requires_action', 'requires_confirmation'].includes(intent.status))
    await stripe.paymentIntents.cancel(intent.id).catch(async (error) => {
      // It may have come to its end in the meantime, whatever that is.
      const { status } = await stripe.paymentIntents.retrieve(intent.id)
      if (status !== 'canceled' && status !== 'succeeded') throw error
    })
  return { intentId: intent.id, failure }
}
