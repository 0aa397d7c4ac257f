import Stripe from 'stripe'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { type FakeStripe, startFakeStripe } from './fake-stripe.ts'
import { attach, cards, newMethod } from './money.ts'

// What Reef relies on of Stripe, as Stripe's own library sees it of the fake.

let fake: FakeStripe
let stripe: Stripe

beforeAll(async () => {
  fake = await startFakeStripe()
  stripe = clientOf(fake.secretKey)
})
afterAll(() => fake.close())
beforeEach(() => {
  fake.troubles.length = 0
})

function clientOf(key: string, maxNetworkRetries = 0): Stripe {
  const { hostname, port } = new URL(fake.url)
  return new Stripe(key, { host: hostname, port: Number(port), protocol: 'http', maxNetworkRetries })
}

async function savedCard(number: string): Promise<{ customer: string; payment_method: string }> {
  const customer = await stripe.customers.create({ name: 'Ada', email: 'ada@example.com' })
  const method = newMethod(fake.state, number)
  attach(fake.state, method, customer.id)
  return { customer: customer.id, payment_method: method.id }
}

const charge = async (number: string) =>
  stripe.paymentIntents.create({
    ...(await savedCard(number)),
    amount: 500,
    currency: 'usd',
    automatic_payment_methods: { enabled: true, allow_redirects: 'never' },
    confirm: true,
    off_session: true,
  })

it('answers the same to the same idempotency key, and refuses it for another request', async () => {
  const options = { idempotencyKey: crypto.randomUUID() }
  const first = await stripe.customers.create({ name: 'Ada' }, options)
  const again = await stripe.customers.create({ name: 'Ada' }, options)
  expect(again.id).toBe(first.id)
  expect(again.lastResponse.headers['idempotent-replayed']).toBe('true')
  await expect(stripe.customers.create({ name: 'Bob' }, options)).rejects.toMatchObject({
    type: 'StripeIdempotencyError',
    statusCode: 400,
  })
})

it('answers 409 to a key whose request is under way', async () => {
  const gate = Promise.withResolvers<void>()
  fake.troubles.push({ match: /customers/, kind: 'slow', times: 1, until: gate.promise })
  const options = { idempotencyKey: crypto.randomUUID() }
  const first = stripe.customers.create({ name: 'Ada' }, options)
  await expect
    .poll(() => fake.calls.filter((call) => call === 'POST /v1/customers').length)
    .toBeGreaterThan(2)
  await expect(stripe.customers.create({ name: 'Ada' }, options)).rejects.toMatchObject({ statusCode: 409 })
  gate.resolve()
  const { id } = await first
  expect((await stripe.customers.create({ name: 'Ada' }, options)).id).toBe(id)
})

it.each([
  [cards.declinesLater, 'card_declined', 'generic_decline'],
  [cards.insufficientFunds, 'card_declined', 'insufficient_funds'],
  [cards.authenticationRequired, 'authentication_required', 'authentication_required'],
])('declines %s with %s, and the error carries the intent', async (number, code, declineCode) => {
  await expect(charge(number)).rejects.toMatchObject({
    type: 'StripeCardError',
    statusCode: 402,
    code,
    decline_code: declineCode,
    payment_intent: { status: 'requires_payment_method' },
  })
})

it('knows what is missing, whose key is wrong, and when it is asked too often', async () => {
  await expect(stripe.customers.retrieve('cus_none')).rejects.toMatchObject({
    type: 'StripeInvalidRequestError',
    code: 'resource_missing',
  })
  await expect(clientOf('sk_test_wrong').customers.list()).rejects.toMatchObject({
    type: 'StripeAuthenticationError',
  })
  fake.troubles.push({ match: /events/, kind: 'rateLimited', times: 1 })
  await expect(stripe.events.list()).rejects.toMatchObject({ type: 'StripeRateLimitError' })
})

it('lists newest first, in pages that the library goes through by itself', async () => {
  const made: string[] = []
  for (let count = 0; count < 25; count += 1) made.push((await charge(cards.good)).id)
  const listed: string[] = []
  for await (const intent of stripe.paymentIntents.list({ limit: 10 })) listed.push(intent.id)
  expect(listed.slice(0, 25)).toEqual(made.toReversed())
})

it('does what it was asked although its answer is lost, and says so when asked again', async () => {
  fake.troubles.push({ match: /^POST \/v1\/payment_intents$/, kind: 'lost', times: 1 })
  const saved = await savedCard(cards.good)
  const intent = await clientOf(fake.secretKey, 1).paymentIntents.create({
    ...saved,
    amount: 500,
    currency: 'usd',
    automatic_payment_methods: { enabled: true, allow_redirects: 'never' },
    confirm: true,
    off_session: true,
  })
  expect([...fake.state.intents.values()].filter((one) => one.customer === saved.customer)).toHaveLength(1)
  expect(intent.status).toBe('succeeded')
})
