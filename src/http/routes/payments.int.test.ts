import Stripe from 'stripe'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { startTestApp, type TestApp } from '../../../test/support/app.ts'
import type { TestClient } from '../../../test/support/client.ts'
import { eventually } from '../../../test/support/eventually.ts'
import { type FakeStripe, startFakeStripe } from '../../../test/support/fake-stripe/fake-stripe.ts'
import { cards, dispute, paySession } from '../../../test/support/fake-stripe/money.ts'
import type { Intent, StripeEvent } from '../../../test/support/fake-stripe/state.ts'

interface Overview {
  provider: string | null
  message: string | null
  mayBuy: boolean
  packs: { id: string }[]
  card: { last4: string } | null
  autoTopUp: { enabled: boolean } | null
  payments: { id: string; state: string; receiptUrl: string | null }[]
}

const webhookPath = '/api/payments/stripe/webhook'
let people = 0
const newPerson = (app: TestApp) => {
  people += 1
  return app.person(`person-${people}@example.com`)
}

describe('with Stripe', () => {
  let fake: FakeStripe
  let app: TestApp
  let operator: TestClient
  let owner: TestClient

  beforeAll(async () => {
    fake = await startFakeStripe()
    app = await startTestApp({
      environment: { ...fake.environment, REEF_CREDIT_PACKS: '500=5,1000=10' },
    })
    fake.deliveries.endpoint = `${app.url}${webhookPath}`
    // Whoever signs up first operates this Reef.
    operator = await newPerson(app)
  })
  afterAll(async () => {
    await app.end()
    await fake.close()
  })
  beforeEach(async () => {
    fake.deliveries.held = false
    fake.deliveries.copies = 1
    fake.deliveries.drop()
    owner = await newPerson(app)
  })

  const organizationOf = async (client: TestClient): Promise<string> =>
    (await client.call<{ organization: { id: string } }>('GET', '/api/me')).organization.id
  const purchasedBy = async (client: TestClient): Promise<number> => {
    const organizationId = await organizationOf(client)
    const book = await app.database.asSystem((trx) =>
      trx
        .selectFrom('ledger_books')
        .select('purchased')
        .where('organization_id', '=', organizationId)
        .executeTakeFirst(),
    )
    return book?.purchased ?? 0
  }
  const begin = (body: object = { pack: '1000' }) =>
    owner.call<{ paymentId: string; url: string }>('POST', '/api/payments/checkout', body)
  const pay = (url: string, card: string = cards.good) => paySession(fake.state, fake.sessionAt(url), card)
  const deliver = (event: StripeEvent, options: Parameters<FakeStripe['deliveries']['send']>[1]) =>
    fake.deliveries.send(event, options)

  it('sells a pack: the page is paid in a browser, and the webhook brings the credits', async () => {
    const { paymentId, url } = await begin({ pack: '1000', saveCard: true })
    const page = await fetch(url)
    expect(await page.text()).toContain('Pay 10.00 USD')
    const paid = await fetch(url, {
      method: 'POST',
      redirect: 'manual',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: `card=${cards.good}`,
    })
    expect(paid.headers.get('location')).toBe(`${app.url}/credits?payment=${paymentId}`)
    await eventually(async () => expect(await purchasedBy(owner)).toBe(1_000_000_000))
    await eventually(async () => {
      const overview = await owner.call<Overview>('GET', '/api/payments')
      expect(overview).toMatchObject({
        provider: 'stripe',
        mayBuy: true,
        card: { last4: '4242' },
        payments: [{ id: paymentId, state: 'paid', receiptUrl: expect.stringContaining(fake.url) }],
      })
    })
  })

  it('gives credits to whoever comes back before any event, and not twice when it comes', async () => {
    fake.deliveries.held = true
    const { paymentId, url } = await begin()
    expect(pay(url)).toBeNull()
    expect(await owner.call('GET', `/api/payments/${paymentId}`)).toMatchObject({ state: 'paid' })
    expect(await purchasedBy(owner)).toBe(1_000_000_000)
    await fake.deliveries.release((events) => events.toReversed())
    await settled()
    expect(await purchasedBy(owner)).toBe(1_000_000_000)
  })

  it('gives them once although each event comes ten times at once', async () => {
    fake.deliveries.copies = 10
    const { url } = await begin()
    pay(url)
    await fake.deliveries.idle()
    await settled()
    expect(await purchasedBy(owner)).toBe(1_000_000_000)
  })

  /** Nothing that was delivered waits for being processed. */
  const settled = () =>
    eventually(async () => {
      const open = await app.database.asSystem((trx) =>
        trx.selectFrom('stripe_events').select('id').where('processed_at', 'is', null).execute(),
      )
      expect(open).toEqual([])
    })

  it('lets a declined card be followed by another one', async () => {
    const { paymentId, url } = await begin()
    expect(pay(url, cards.declined)).toBe('Your card was declined.')
    await fake.deliveries.idle()
    await settled()
    expect(await owner.call('GET', `/api/payments/${paymentId}`)).toMatchObject({ state: 'open' })
    expect(pay(url)).toBeNull()
    await eventually(async () => expect(await purchasedBy(owner)).toBe(1_000_000_000))
  })

  describe('the webhook', () => {
    const paidEvent = async (): Promise<StripeEvent> => {
      fake.deliveries.held = true
      const { url } = await begin()
      pay(url)
      const event = fake.deliveries.waiting.find(({ type }) => type === 'checkout.session.completed')
      if (!event) throw new Error('no event')
      return event
    }
    const stored = async (event: StripeEvent): Promise<boolean> => {
      const row = await app.database.asSystem((trx) =>
        trx.selectFrom('stripe_events').select('id').where('id', '=', event.id).executeTakeFirst(),
      )
      return row !== undefined
    }
    const secondsAgo = (seconds: number) => Math.floor(Date.now() / 1000) - seconds

    it('believes what Stripe signed within 300 seconds', async () => {
      const event = await paidEvent()
      expect(await deliver(event, { timestamp: secondsAgo(290) })).toBe(200)
      expect(await stored(event)).toBe(true)
    })

    it.each<[string, () => Parameters<typeof deliver>[1]]>([
      ['a forged signature', () => ({ secret: 'whsec_of_somebody_else' })],
      ['a stale signature', () => ({ timestamp: secondsAgo(310) })],
      ['no signature', () => ({ signature: '' })],
      ['a signature of another scheme', () => ({ signature: `t=${secondsAgo(0)},v0=${'0'.repeat(64)}` })],
      ['nonsense', () => ({ signature: 'nonsense' })],
    ])('refuses %s, and stores nothing', async (_what, options) => {
      const event = await paidEvent()
      expect(await deliver(event, options())).toBe(400)
      expect(await stored(event)).toBe(false)
      expect(await purchasedBy(owner)).toBe(0)
    })

    it('refuses a body of which one byte was changed', async () => {
      const event = await paidEvent()
      const payload = JSON.stringify(event)
      const signature = Stripe.webhooks.generateTestHeaderString({ payload, secret: fake.webhookSecret })
      const answers = await Promise.all(
        [payload.replace('1000', '1001'), `${payload} `, ''].map((body) =>
          fetch(`${app.url}${webhookPath}`, {
            method: 'POST',
            headers: { 'content-type': 'application/json', 'stripe-signature': signature },
            body,
          }),
        ),
      )
      expect(answers.map(({ status }) => status)).toEqual([400, 400, 400])
      expect(await stored(event)).toBe(false)
    })

    it('takes no body larger than any event', async () => {
      const answer = await fetch(`${app.url}${webhookPath}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: 'x'.repeat(600 * 1024),
      })
      expect(answer.status).toBe(413)
    })
  })

  it('lets only owners and admins buy, and shows a plain member what is sold', async () => {
    const member = await newPerson(app)
    const organizationId = await organizationOf(owner)
    const { user } = await member.call<{ user: { id: string; email: string; name: string } }>(
      'GET',
      '/api/me',
    )
    await app.database.asSystem((trx) =>
      trx
        .insertInto('members')
        .values({
          organization_id: organizationId,
          user_id: user.id,
          role: 'member',
          name: user.name,
          email: user.email,
        })
        .execute(),
    )
    const asMember = (method: string, path: string, body?: object) =>
      fetch(`${app.url}${path}`, {
        method,
        headers: {
          authorization: `Bearer ${member.tokens.accessToken}`,
          'reef-organization': organizationId,
          ...(body ? { 'content-type': 'application/json' } : {}),
        },
        ...(body ? { body: JSON.stringify(body) } : {}),
      })
    const { paymentId } = await begin()
    expect(await (await asMember('GET', '/api/payments')).json()).toMatchObject({
      provider: 'stripe',
      mayBuy: false,
      packs: [{ id: '500' }, { id: '1000' }],
      payments: [],
      autoTopUp: null,
    })
    const topUp = { enabled: true, thresholdMicros: 1, pack: '500', monthlyLimitCents: 500 }
    for (const [method, path, body] of [
      ['POST', '/api/payments/checkout', { pack: '500' }],
      ['POST', '/api/payments/portal', undefined],
      ['PUT', '/api/payments/auto-top-up', topUp],
      ['GET', `/api/payments/${paymentId}`, undefined],
    ] as const)
      expect([path, (await asMember(method, path, body)).status]).toEqual([path, 404])
  })

  it('opens the portal for one’s own customer only', async () => {
    const stranger = await newPerson(app)
    const { url } = await owner.call<{ url: string }>('POST', '/api/payments/portal')
    expect(url).toContain(fake.url)
    await stranger.call('POST', '/api/payments/portal')
    const rows = await app.database.asSystem((trx) =>
      trx.selectFrom('payment_customers').selectAll().execute(),
    )
    const customerOf = async (client: TestClient) => {
      const id = await organizationOf(client)
      return rows.find((row) => row.organization_id === id)?.customer_id
    }
    expect(await customerOf(owner)).toBeDefined()
    expect(await customerOf(owner)).not.toBe(await customerOf(stranger))
  })

  it('switches auto top-up on only with a saved card, and then charges it', async () => {
    const settings = { enabled: true, thresholdMicros: 1e12, pack: '500', monthlyLimitCents: 500 }
    const early = await owner.raw('PUT', '/api/payments/auto-top-up', settings)
    expect([early.status, await early.json()]).toMatchObject([409, { error: { code: 'card_missing' } }])
    const { url } = await begin({ pack: '500', saveCard: true })
    pay(url)
    await eventually(async () =>
      expect((await owner.call<Overview>('GET', '/api/payments')).card).not.toBeNull(),
    )
    const little = await owner.raw('PUT', '/api/payments/auto-top-up', {
      ...settings,
      monthlyLimitCents: 499,
    })
    expect(little.status).toBe(400)
    await owner.call('PUT', '/api/payments/auto-top-up', settings)
    await eventually(async () => expect(await purchasedBy(owner)).toBe(1_000_000_000))
  })

  it('says what to do about a pack that is not sold', async () => {
    const answer = await owner.raw('POST', '/api/payments/checkout', { pack: '7' })
    expect([answer.status, await answer.json()]).toMatchObject([
      400,
      { error: { field: 'pack', message: expect.stringContaining('500, 1000') } },
    ])
  })

  it('says that Stripe does not answer, in words, and keeps nothing half done', async () => {
    fake.troubles.push({ match: /^POST \/v1\/checkout/, kind: 'broken', times: 3 })
    const answer = await owner.raw('POST', '/api/payments/checkout', { pack: '500' })
    expect([answer.status, await answer.json()]).toMatchObject([
      503,
      { error: { code: 'payments_unavailable' } },
    ])
    expect(answer.headers.get('retry-after')).toBe('60')
    expect((await owner.call<Overview>('GET', '/api/payments')).payments).toMatchObject([
      { state: 'expired' },
    ])
  })

  interface AdminPayments {
    sells: boolean
    payments: {
      id: string
      leftCents: number
      unusedCents: number
      availableMicros: number
      disputes: { id: string; state: string; frozenMicros: number }[]
    }[]
    cursor: string | null
  }
  const listed = async (query: string) =>
    (await operator.call<AdminPayments>('GET', `/api/admin/payments?${query}`)).payments.map(({ id }) => id)

  it('shows an operator what can be refunded, and lets them search for it', async () => {
    const { paymentId, url } = await begin()
    pay(url)
    const other = await newPerson(app)
    await other.call('POST', '/api/payments/checkout', { pack: '500' })
    await eventually(async () => expect(await purchasedBy(owner)).toBe(1_000_000_000))
    const organizationId = await organizationOf(owner)
    const answer = await operator.call<AdminPayments>(
      'GET',
      `/api/admin/payments?organizationId=${organizationId}`,
    )
    // Of the trial's 500 credits as well: what is unused is not told apart.
    expect(answer).toMatchObject({
      sells: true,
      payments: [{ leftCents: 1_000, unusedCents: 1_000, availableMicros: 1_500_000_000, disputes: [] }],
    })
    const { user } = await owner.call<{ user: { email: string } }>('GET', '/api/me')
    const { payment_intent: intentId } = fake.sessionAt(url)
    for (const search of [paymentId, intentId as string, user.email, user.email.toUpperCase()])
      expect([search, await listed(`search=${encodeURIComponent(search)}`)]).toEqual([search, [paymentId]])
    expect(await listed('search=%25')).toEqual([])
    expect(await listed(`organizationId=${organizationId}&disputed=true`)).toEqual([])
    dispute(fake.state, fake.state.intents.get(intentId as string) as Intent)
    await eventually(async () =>
      expect(await listed(`organizationId=${organizationId}&disputed=true`)).toEqual([paymentId]),
    )
    expect(
      await operator.call<AdminPayments>('GET', `/api/admin/payments?search=${paymentId}`),
    ).toMatchObject({ payments: [{ disputes: [{ state: 'open', frozenMicros: 1_000_000_000 }] }] })
  })

  it('shows an operator page after page, each payment once, also those of the same moment', async () => {
    const organizationId = await organizationOf(owner)
    const begun: string[] = []
    for (let count = 0; count < 5; count++) begun.push((await begin()).paymentId)
    await app.database.asSystem((trx) =>
      trx
        .updateTable('payments')
        .set({ created_at: new Date('2026-01-01') })
        .where('id', 'in', begun.slice(0, 4))
        .execute(),
    )
    const seen: string[] = []
    let cursor: string | null = ''
    for (let pages = 0; cursor !== null && pages < 10; pages++) {
      const page: AdminPayments = await operator.call(
        'GET',
        `/api/admin/payments?organizationId=${organizationId}&limit=2${cursor && `&cursor=${cursor}`}`,
      )
      expect(page.payments.length).toBe(page.cursor === null ? 1 : 2)
      seen.push(...page.payments.map(({ id }) => id))
      cursor = page.cursor
    }
    expect([seen[0], seen.toSorted()]).toEqual([begun[4], begun.toSorted()])
    const whole = `/api/admin/payments?organizationId=${organizationId}&limit=5`
    expect(await operator.call('GET', whole)).toMatchObject({ cursor: null })
    expect((await operator.raw('GET', '/api/admin/payments?cursor=first')).status).toBe(400)
  })

  it('lets an operator refund, and nobody else', async () => {
    const { paymentId, url } = await begin()
    pay(url)
    await eventually(async () => expect(await purchasedBy(owner)).toBe(1_000_000_000))
    const path = `/api/admin/payments/${paymentId}/refund`
    expect((await owner.raw('POST', path, {})).status).toBe(404)
    expect((await owner.raw('GET', '/api/admin/payments')).status).toBe(404)
    const organizationId = await organizationOf(owner)
    const { payments } = await operator.call<{ payments: { id: string }[] }>(
      'GET',
      `/api/admin/payments?organizationId=${organizationId}`,
    )
    expect(payments).toMatchObject([{ id: paymentId, state: 'paid', organizationId }])
    expect(await operator.call('POST', path, { amountCents: 400, reason: 'Sorry.' })).toMatchObject({
      state: 'paid',
      refundedCents: 400,
    })
    expect((await owner.raw('POST', '/api/admin/payments/reconcile')).status).toBe(404)
    expect((await owner.raw('GET', '/api/admin/payments/reconciliations')).status).toBe(404)
    await fake.deliveries.idle()
    await settled()
    const report = await operator.call('POST', '/api/admin/payments/reconcile')
    expect(report).toMatchObject({ differences: [] })
    const kept = await operator.call<{ reconciliations: object[] }>(
      'GET',
      '/api/admin/payments/reconciliations',
    )
    expect(kept).toMatchObject({ sells: true })
    expect(kept.reconciliations[0]).toMatchObject({ report, failure: null, finishedAt: expect.any(String) })
  })
})

describe('an address that keeps forging', () => {
  it('is told to wait, and what Stripe signed still gets through from there', async () => {
    const fake = await startFakeStripe()
    const app = await startTestApp({ environment: fake.environment })
    const forge = () =>
      fetch(`${app.url}${webhookPath}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'stripe-signature': 't=1,v1=00' },
        body: '{}',
      })
    const statuses: number[] = []
    for (let count = 0; count < 62; count += 1) statuses.push((await forge()).status)
    expect(statuses.slice(0, 60)).toEqual(Array.from({ length: 60 }, () => 400))
    expect(statuses.slice(60)).toEqual([429, 429])
    fake.deliveries.endpoint = `${app.url}${webhookPath}`
    fake.deliveries.held = true
    fake.state.emit('customer.updated', { id: 'cus_of_nobody', object: 'customer' })
    expect(await fake.deliveries.send(fake.deliveries.waiting[0] as StripeEvent)).toBe(200)
    await app.end()
    await fake.close()
  })
})

describe('without Stripe', () => {
  let app: TestApp
  let owner: TestClient
  beforeAll(async () => {
    app = await startTestApp()
    owner = await newPerson(app)
  })
  afterAll(() => app.end())

  it('says that nothing is sold, and what to do', async () => {
    expect(await owner.call<Overview>('GET', '/api/payments')).toMatchObject({
      provider: null,
      mayBuy: false,
      packs: [],
      message: expect.stringContaining('ask them'),
    })
    for (const [method, path, body] of [
      ['POST', '/api/payments/checkout', { pack: '500' }],
      ['POST', '/api/payments/portal', undefined],
      ['POST', '/api/admin/payments/reconcile', undefined],
    ] as const) {
      const answer = await owner.raw(method, path, body)
      expect([path, answer.status]).toEqual([path, 409])
    }
  })

  it('tells an operator that there is nothing to refund or to compare with', async () => {
    expect(await owner.call('GET', '/api/admin/payments')).toEqual({
      sells: false,
      payments: [],
      cursor: null,
    })
    expect(await owner.call('GET', '/api/admin/payments/reconciliations')).toEqual({
      sells: false,
      reconciliations: [],
    })
  })

  it('has no webhook', async () => {
    expect((await fetch(`${app.url}${webhookPath}`, { method: 'POST', body: '{}' })).status).toBe(404)
  })
})
