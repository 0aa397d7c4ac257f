import Stripe from 'stripe'
import type {
  CheckoutOrder,
  Payments,
  ProviderEvent,
  RefundOrder,
  SavedCard,
} from '../../domain/payments/payments.ts'
import { chargeCard, findCharge } from './charge.ts'
import { calling, forged, webhookOff } from './errors.ts'
import {
  handledEvents,
  idOf,
  organizationIdKey,
  paymentIdKey,
  refundIdKey,
  toProviderEvent,
  uuidOf,
} from './events.ts'
import { toFacts } from './facts.ts'

export interface StripeOptions {
  secretKey: string
  /** Signing secrets of the webhook's endpoint; two while one takes the other's place. */
  webhookSecrets: readonly string[]
  /** Where Stripe's API is; tests have one of their own. */
  apiBase: string
}

const signatureToleranceSeconds = 300
/** Of the objects of one payment, and of a page of a list: the most that Stripe gives at once. */
const pageSize = 100
const timeoutMilliseconds = 20_000

/** Stripe by its own library. Loaded only where a key is set: it takes memory and time. */
export function openStripe(options: StripeOptions): Payments {
  const base = new URL(options.apiBase)
  const stripe = new Stripe(options.secretKey, {
    host: base.hostname,
    port: base.port === '' ? (base.protocol === 'https:' ? 443 : 80) : Number(base.port),
    protocol: base.protocol === 'https:' ? 'https' : 'http',
    timeout: timeoutMilliseconds,
    // The library repeats requests under the same idempotency key when their answer was lost.
    maxNetworkRetries: 2,
    telemetry: false,
    appInfo: { name: 'Reef' },
  })
  return {
    name: 'stripe',
    testMode: /^[sr]k_test_/.test(options.secretKey),
    problem:
      options.webhookSecrets.length === 0
        ? 'STRIPE_WEBHOOK_SECRET is not set: payments are noticed by asking Stripe every few minutes only.'
        : null,

    createCustomer: ({ id, name, email }) =>
      calling(async () => {
        const customer = await stripe.customers.create({
          name,
          email,
          metadata: { [organizationIdKey]: id },
        })
        return customer.id
      }),
    openCheckout: (order) => calling(() => openCheckout(stripe, order)),
    openPortal: (customerId, returnUrl) =>
      calling(async () => {
        const session = await stripe.billingPortal.sessions.create({
          customer: customerId,
          return_url: returnUrl,
        })
        return session.url
      }),
    chargeCard: (order) => calling(() => chargeCard(stripe, order)),
    findCharge: (order) => calling(() => findCharge(stripe, order)),
    refund: (order) => calling(() => refund(stripe, order)),

    read: (reference) => calling(() => read(stripe, reference)),
    findPaymentId: (intentId) =>
      calling(async () => {
        const intent = await stripe.paymentIntents.retrieve(intentId)
        return uuidOf(intent.metadata[paymentIdKey])
      }),
    readCard: (customerId) => calling(() => readCard(stripe, customerId)),

    readEvent: (body, signature, now) => readEvent(stripe, options.webhookSecrets, body, signature, now),
    isHandled: (type) => handledEvents.has(type),
    listEvents: (since) => listEvents(stripe, since),
    listPayments: (since) => listPayments(stripe, since),
    listRefunds: (since) => listOf(stripe.refunds.list(createdFrom(since))),
    listDisputes: (since) => listOf(stripe.disputes.list(createdFrom(since))),
  }
}

async function openCheckout(
  stripe: Stripe,
  order: CheckoutOrder,
): Promise<{ checkoutId: string; url: string }> {
  const metadata = { [paymentIdKey]: order.paymentId, [organizationIdKey]: order.organizationId }
  const session = await stripe.checkout.sessions.create(
    {
      mode: 'payment',
      customer: order.customerId,
      client_reference_id: order.organizationId,
      line_items: [
        {
          quantity: 1,
          price_data: {
            currency: order.currency,
            unit_amount: order.amountCents,
            product_data: { name: order.name },
          },
        },
      ],
      payment_intent_data: {
        metadata,
        description: order.name,
        // Stripe's page asks for the consent that charging the card later takes.
        ...(order.saveCard ? { setup_future_usage: 'off_session' as const } : {}),
      },
      metadata,
      // What is paid has to be what was offered, in its currency.
      adaptive_pricing: { enabled: false },
      success_url: order.urls.success,
      cancel_url: order.urls.cancel,
    },
    { idempotencyKey: `checkout-${order.paymentId}` },
  )
  // Only pages that are embedded elsewhere have none.
  return { checkoutId: session.id, url: session.url as string }
}

/** Stripe forgets idempotency keys after a day, so what is already there is looked for first. */
async function refund(stripe: Stripe, order: RefundOrder): Promise<void> {
  for await (const known of stripe.refunds.list({ payment_intent: order.intentId, limit: pageSize }))
    if (known.metadata?.[refundIdKey] === order.refundId) return
  await stripe.refunds.create(
    {
      payment_intent: order.intentId,
      amount: order.amountCents,
      metadata: { [refundIdKey]: order.refundId },
    },
    { idempotencyKey: `refund-${order.refundId}` },
  )
}

async function read(stripe: Stripe, reference: Parameters<Payments['read']>[0]) {
  const session = reference.checkoutId ? await stripe.checkout.sessions.retrieve(reference.checkoutId) : null
  const intentId = idOf(session?.payment_intent) ?? reference.intentId
  if (intentId === null) return toFacts({ session, intent: null, refunds: [], disputes: [] })
  const intent = await stripe.paymentIntents.retrieve(intentId, { expand: ['latest_charge'] })
  // Nothing that was not paid can be given back or disputed.
  const [refunds, disputes] =
    intent.status === 'succeeded'
      ? await Promise.all([
          all(stripe.refunds.list({ payment_intent: intentId, limit: pageSize })),
          all(stripe.disputes.list({ payment_intent: intentId, limit: pageSize })),
        ])
      : [[], []]
  return toFacts({ session, intent, refunds, disputes })
}

/** The one that the customer chose in the portal, else the newest. */
async function readCard(stripe: Stripe, customerId: string): Promise<SavedCard | null> {
  const customer = await stripe.customers.retrieve(customerId)
  if (customer.deleted) return null
  const { data: cards } = await stripe.customers.listPaymentMethods(customerId, {
    type: 'card',
    limit: pageSize,
  })
  const chosen = idOf(customer.invoice_settings.default_payment_method)
  const card = cards.find((one) => one.id === chosen) ?? cards[0]
  if (!card?.card) return null
  const { brand, last4, exp_month: month, exp_year: year } = card.card
  return { cardId: card.id, brand, last4, expires: `${String(month).padStart(2, '0')}/${year}` }
}

function readEvent(
  stripe: Stripe,
  secrets: readonly string[],
  body: Buffer,
  signature: string | undefined,
  now: Date,
): ProviderEvent {
  if (secrets.length === 0) throw webhookOff()
  let failure: unknown
  for (const secret of secrets)
    try {
      return toProviderEvent(
        stripe.webhooks.constructEvent(
          body,
          signature ?? '',
          secret,
          signatureToleranceSeconds,
          undefined,
          now.getTime(),
        ),
      )
    } catch (error) {
      failure = error
    }
  throw forged(failure)
}

function createdFrom(since: Date) {
  return { created: { gte: Math.floor(since.getTime() / 1000) }, limit: pageSize }
}

async function all<T>(list: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const one of list) found.push(one)
  return found
}

async function* listEvents(stripe: Stripe, since: Date): AsyncIterable<ProviderEvent> {
  yield* translated(stripe.events.list(createdFrom(since)), toProviderEvent)
}

async function* listPayments(stripe: Stripe, since: Date) {
  const intents = translated(stripe.paymentIntents.list(createdFrom(since)), (intent) => ({
    paymentId: uuidOf(intent.metadata[paymentIdKey]),
    intentId: intent.id,
    paid: intent.status === 'succeeded',
    amountCents: intent.amount,
  }))
  for await (const { paymentId, ...listed } of intents) if (paymentId !== null) yield { paymentId, ...listed }
}

async function* listOf(list: AsyncIterable<Stripe.Refund | Stripe.Dispute>) {
  const objects = translated(list, (one) => ({ id: one.id, intentId: idOf(one.payment_intent) }))
  for await (const { id, intentId } of objects) if (intentId !== null) yield { id, intentId }
}

/** Errors of a later page are ours too. */
async function* translated<T, R>(list: AsyncIterable<T>, translate: (one: T) => R): AsyncIterable<R> {
  const iterator = list[Symbol.asyncIterator]()
  for (;;) {
    const next = await calling(() => iterator.next())
    if (next.done) return
    yield translate(next.value)
  }
}
