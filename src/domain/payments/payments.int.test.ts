import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createPerson } from '../../../test/support/control-plane.ts'
import {
  changeDispute,
  dispute,
  expire,
  failRefund,
  payByBank,
  refund,
  settleBank,
} from '../../../test/support/fake-stripe/money.ts'
import { toProviderEvents } from '../../../test/support/fake-stripe/provider-events.ts'
import {
  balancesOf,
  buy,
  type SellingWorld,
  spend,
  startSellingWorld,
  type TestSelling,
} from '../../../test/support/fake-stripe/selling.ts'
import { get } from '../../../test/support/fake-stripe/state.ts'
import { newId } from '../../ids.ts'
import { openLog } from '../../telemetry/log.ts'
import type { Principal } from '../accounts/principal.ts'
import { compareLedger } from './ledger-check.ts'
import { lookAtDue } from './looks.ts'

let world: SellingWorld
let database: SellingWorld['database']
let fake: SellingWorld['fake']
let clock: SellingWorld['clock']
let selling: TestSelling
let other: TestSelling
let principal: Principal

const thousand = 1_000_000_000

beforeAll(async () => {
  world = await startSellingWorld()
  ;({ database, fake, clock } = world)
  ;[selling, other] = world.planes
})
afterAll(() => world.close())
beforeEach(async () => {
  world.calm()
  principal = await createPerson(database)
})

const balances = () => balancesOf(database, principal.organizationId)
const operator = () => ({ operatorUserId: principal.userId })

const hear = (plane = selling) => world.hear(plane)
const bought = () => world.bought(principal)
const intentOf = (id: string) => world.intentOf(id)

const use = (amount: number) => spend(database, principal.organizationId, amount)

const paymentsOf = () =>
  database.asSystem((trx) =>
    trx
      .selectFrom('payments')
      .selectAll()
      .where('organization_id', '=', principal.organizationId)
      .orderBy('id')
      .execute(),
  )

describe('a purchase', () => {
  it('gives its credits once Stripe says that it was paid, and its receipt', async () => {
    const { intentId } = await bought()
    expect(await balances()).toMatchObject({ available: thousand, purchased: thousand })
    expect(await paymentsOf()).toMatchObject([
      { state: 'paid', receipt_url: `${fake.url}/receipts/${intentId}`, look_at: null },
    ])
  })

  it('gives none while the bank takes its time, and none when the money does not arrive', async () => {
    for (const arrives of [true, false]) {
      const { url } = await selling.checkouts.open(principal, { pack: '1000', saveCard: false })
      const session = fake.sessionAt(url)
      const before = await balances()
      payByBank(fake.state, session)
      await hear()
      expect((await paymentsOf()).at(-1)).toMatchObject({ state: 'processing' })
      expect(await balances()).toEqual(before)
      settleBank(fake.state, session, arrives)
      await hear()
      expect((await paymentsOf()).at(-1)).toMatchObject({ state: arrives ? 'paid' : 'failed' })
    }
    expect(await balances()).toMatchObject({ available: thousand })
  })

  it('that nobody finished expires', async () => {
    const { url } = await selling.checkouts.open(principal, { pack: '1000', saveCard: false })
    expire(fake.state, fake.sessionAt(url))
    await hear()
    expect(await paymentsOf()).toMatchObject([{ state: 'expired', look_at: null }])
  })

  it('is found without any event, by asking', async () => {
    await buy(selling, fake, principal)
    fake.deliveries.drop()
    clock.advance(121_000)
    await lookAtDue({ ...selling, clock, log: openLog('silent') })
    expect(await balances()).toMatchObject({ available: thousand })
  })

  it('survives whoever stored its event and died before acting on it', async () => {
    await buy(selling, fake, principal)
    for (const event of toProviderEvents(fake.deliveries.waiting))
      await selling.events.store(event, 'webhook')
    // It has taken the events and is gone: they stay taken until its lease ends.
    await database.asSystem((trx) =>
      trx
        .updateTable('stripe_events')
        .set({ due_at: new Date(clock.now().getTime() + 60_000), attempts: 1 })
        .where('processed_at', 'is', null)
        .execute(),
    )
    await other.events.processDue()
    expect(await balances()).toMatchObject({ available: 0 })
    clock.advance(60_001)
    await other.events.processDue()
    expect(await balances()).toMatchObject({ available: thousand })
  })

  it('survives Stripe being out of order, and Stripe’s limits', async () => {
    await buy(selling, fake, principal)
    fake.troubles.push(
      { match: /^GET \/v1\/payment_intents/, kind: 'broken', times: 3 },
      { match: /^GET \/v1\/payment_intents/, kind: 'rateLimited', times: 3 },
    )
    await hear()
    const unprocessed = await database.asSystem((trx) =>
      trx.selectFrom('stripe_events').select('failure').where('failure', 'is not', null).execute(),
    )
    expect(unprocessed.length).toBeGreaterThan(0)
    for (let round = 0; round < 5; round += 1) {
      clock.advance(120_000)
      await selling.events.processDue()
    }
    expect(await balances()).toMatchObject({ available: thousand })
  })

  it('of another program on the same account is let be', async () => {
    const { intentId } = await bought()
    const copy = { ...intentOf(intentId), id: 'pi_stranger', metadata: {} }
    fake.state.intents.set(copy.id, copy)
    fake.state.emit('payment_intent.succeeded', copy)
    await hear()
    expect(await balances()).toMatchObject({ available: thousand })
    fake.state.intents.delete(copy.id)
  })

  it('makes a new customer when the old one was removed at Stripe', async () => {
    await bought()
    const [before] = await paymentsOf()
    get(fake.state.customers, before?.customer_id, 'customer').deleted = true
    await bought()
    const payments = await paymentsOf()
    expect(payments.filter((payment) => payment.state === 'paid')).toHaveLength(2)
    expect(payments.at(-1)?.customer_id).not.toBe(before?.customer_id)
  })
})

describe('a refund by an operator', () => {
  it('gives back what is unused, exactly', async () => {
    const { paymentId, intentId } = await bought()
    await use(250_000_000)
    const record = await selling.refunds.refund(paymentId, { force: false, ...operator() })
    expect(record.refunds).toMatchObject([{ state: 'made', amount_cents: 750, credits: 750_000_000 }])
    await hear(other)
    expect(await balances()).toMatchObject({ available: 0, refunded: 750_000_000, spent: 250_000_000 })
    expect(
      get(fake.state.charges, intentOf(intentId).latest_charge as string, 'charge').amount_refunded,
    ).toBe(750)
  })

  it('of used credits has to be forced, and is written off', async () => {
    const { paymentId } = await bought()
    await use(400_000_000)
    await expect(
      selling.refunds.refund(paymentId, { amountCents: 700, force: false, ...operator() }),
    ).rejects.toMatchObject({ kind: 'conflict', code: 'credits_used' })
    await selling.refunds.refund(paymentId, { force: true, ...operator() })
    expect(await balances()).toMatchObject({ available: 0, refunded: thousand, written_off: 400_000_000 })
    await expect(selling.refunds.refund(paymentId, { force: true, ...operator() })).rejects.toMatchObject({
      code: 'payment_refunded',
    })
  })

  it('is made once although its answer was lost, and whoever asked is gone', async () => {
    const { paymentId, intentId } = await bought()
    fake.troubles.push({ match: /^POST \/v1\/refunds/, kind: 'lost', times: 3 })
    await expect(
      selling.refunds.refund(paymentId, { amountCents: 300, force: false, ...operator() }),
    ).rejects.toMatchObject({ kind: 'unavailable' })
    expect(await balances()).toMatchObject({ available: 700_000_000 })
    fake.troubles.length = 0
    clock.advance(61_000)
    await Promise.all([selling.refunds.resumeRequested(), other.refunds.resumeRequested()])
    await hear()
    const made = [...fake.state.refunds.values()].filter((one) => one.payment_intent === intentId)
    expect(made).toHaveLength(1)
    expect(await balances()).toMatchObject({ available: 700_000_000, refunded: 300_000_000 })
  })

  it('asked for again under its key is the same one, whether or not it was heard of', async () => {
    const { paymentId, intentId } = await bought()
    const request = { amountCents: 300, force: false, idempotencyKey: newId(), ...operator() }
    fake.troubles.push({ match: /^POST \/v1\/refunds/, kind: 'lost', times: 3 })
    await expect(selling.refunds.refund(paymentId, request)).rejects.toMatchObject({ kind: 'unavailable' })
    fake.troubles.length = 0
    await Promise.all([selling.refunds.refund(paymentId, request), other.refunds.refund(paymentId, request)])
    expect(await selling.refunds.refund(paymentId, request)).toMatchObject({ refunds: [{ state: 'made' }] })
    expect(await balances()).toMatchObject({ available: 700_000_000, refunded: 300_000_000 })
    expect(
      get(fake.state.charges, intentOf(intentId).latest_charge as string, 'charge').amount_refunded,
    ).toBe(300)
    await expect(selling.refunds.refund(paymentId, { ...request, amountCents: 200 })).rejects.toMatchObject({
      code: 'idempotency_key_reused',
    })
    const elsewhere = await bought()
    await expect(selling.refunds.refund(elsewhere.paymentId, request)).rejects.toMatchObject({
      code: 'idempotency_key_reused',
    })
  })

  it('that came to nothing is not taken up again under its key', async () => {
    const { paymentId } = await bought()
    const request = { amountCents: 500, force: false, idempotencyKey: newId(), ...operator() }
    await selling.refunds.refund(paymentId, request)
    const made = [...fake.state.refunds.values()].at(-1)
    if (made) failRefund(fake.state, made)
    await hear()
    await expect(selling.refunds.refund(paymentId, request)).rejects.toMatchObject({
      code: 'refund_returned',
    })
    expect(await balances()).toMatchObject({ available: thousand })
  })

  it('that Stripe refuses gives the credits back', async () => {
    const { paymentId, intentId } = await bought()
    // Refunded at Stripe a moment ago, and not heard of yet.
    refund(fake.state, intentOf(intentId), { amount: 900 })
    await expect(
      selling.refunds.refund(paymentId, { amountCents: 500, force: false, ...operator() }),
    ).rejects.toMatchObject({ code: 'payment_refused' })
    expect(await balances()).toMatchObject({ available: thousand })
    await hear()
    expect(await balances()).toMatchObject({ available: 100_000_000 })
  })

  it('that the bank sends back gives the credits back', async () => {
    const { paymentId } = await bought()
    await selling.refunds.refund(paymentId, { amountCents: 500, force: false, ...operator() })
    const made = [...fake.state.refunds.values()].at(-1)
    if (made) failRefund(fake.state, made)
    await hear()
    expect(await balances()).toMatchObject({ available: thousand })
    expect(await selling.sync.sync(paymentId)).toMatchObject({ refunds: [{ state: 'returned' }] })
  })

  it('that is made after all adds up, also when a part had been used or it was first heard of as sent back', async () => {
    const { paymentId, intentId } = await bought()
    await use(400_000_000)
    const made = refund(fake.state, intentOf(intentId), { amount: 700 })
    made.status = 'failed'
    await selling.sync.sync(paymentId)
    expect(await balances()).toMatchObject({ available: 600_000_000, written_off: 0 })
    for (let time = 0; time < 2; time++) {
      made.status = 'succeeded'
      await selling.sync.sync(paymentId)
      expect(await balances()).toMatchObject({ available: 0, written_off: 100_000_000 })
      expect(await compareLedger(database, new Date(0))).toEqual([])
      made.status = 'failed'
      await selling.sync.sync(paymentId)
      expect(await balances()).toMatchObject({ available: 600_000_000, written_off: 100_000_000 })
      expect(await compareLedger(database, new Date(0))).toEqual([])
    }
  })

  it('that is made after all, and sent back once more, gives the credits back once more', async () => {
    const { paymentId } = await bought()
    await selling.refunds.refund(paymentId, { amountCents: 500, force: false, ...operator() })
    const made = [...fake.state.refunds.values()].at(-1)
    if (!made) throw new Error('There is no refund.')
    for (let time = 0; time < 2; time++) {
      made.status = 'failed'
      await selling.sync.sync(paymentId)
      expect(await balances()).toMatchObject({ available: thousand })
      made.status = 'succeeded'
      await selling.sync.sync(paymentId)
      expect(await balances()).toMatchObject({ available: thousand - 500_000_000 })
    }
  })

  it('is not made twice by two operators at once', async () => {
    const { paymentId, intentId } = await bought()
    await Promise.allSettled(
      [selling, other, selling, other].map((plane) =>
        plane.refunds.refund(paymentId, { amountCents: 600, force: false, ...operator() }),
      ),
    )
    const charge = get(fake.state.charges, intentOf(intentId).latest_charge as string, 'charge')
    expect(charge.amount_refunded).toBe(600)
    expect(await balances()).toMatchObject({ available: 400_000_000, refunded: 600_000_000 })
  })
})

describe('a dispute', () => {
  it('freezes what there is, and gives it back when it is won', async () => {
    const { intentId } = await bought()
    await use(300_000_000)
    const made = dispute(fake.state, intentOf(intentId))
    await hear()
    expect(await balances()).toMatchObject({ available: 0, frozen: 700_000_000 })
    changeDispute(fake.state, made, 'won')
    await hear()
    expect(await balances()).toMatchObject({ available: 700_000_000, frozen: 0 })
  })

  it('takes nothing while it is only an inquiry', async () => {
    const { intentId } = await bought()
    const made = dispute(fake.state, intentOf(intentId), { status: 'warning_needs_response' })
    await hear()
    expect(await balances()).toMatchObject({ available: thousand, frozen: 0 })
    changeDispute(fake.state, made, 'warning_closed')
    await hear()
    expect(await balances()).toMatchObject({ available: thousand, frozen: 0 })
  })

  it('that is lost and won after all gives back what it took', async () => {
    const { intentId } = await bought()
    const made = dispute(fake.state, intentOf(intentId), { amount: 1_000 })
    await hear()
    changeDispute(fake.state, made, 'lost')
    await hear()
    expect(await balances()).toMatchObject({ available: 0, refunded: thousand })
    changeDispute(fake.state, made, 'won')
    await hear()
    expect(await balances()).toMatchObject({ available: thousand })
  })

  it('that is lost and won after all leaves what had been used written off, and nothing to explain', async () => {
    const { intentId } = await bought()
    await use(400_000_000)
    const made = dispute(fake.state, intentOf(intentId), { amount: 1_000 })
    for (const status of ['lost', 'appeal_under_review', 'won'] as const) {
      changeDispute(fake.state, made, status)
      await hear()
    }
    expect(await balances()).toMatchObject({ available: 600_000_000, written_off: 400_000_000 })
    clock.advance(1_000)
    expect((await selling.reconciler.run()).differences).toEqual([])
  })

  it('keeps the operator from refunding the same money', async () => {
    const { paymentId, intentId } = await bought()
    dispute(fake.state, intentOf(intentId))
    await hear()
    await expect(selling.refunds.refund(paymentId, { force: true, ...operator() })).rejects.toMatchObject({
      code: 'payment_disputed',
    })
  })
})
