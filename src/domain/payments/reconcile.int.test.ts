import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createPerson } from '../../../test/support/control-plane.ts'
import { dispute, paySession, refund } from '../../../test/support/fake-stripe/money.ts'
import {
  balancesOf,
  buy,
  type SellingWorld,
  startSellingWorld,
  type TestSelling,
} from '../../../test/support/fake-stripe/selling.ts'
import type { Principal } from '../accounts/principal.ts'
import { createLedger } from '../credits/ledger.ts'

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

const hear = (plane = selling) => world.hear(plane)
const bought = () => world.bought(principal)
const intentOf = (id: string) => world.intentOf(id)

describe('reconciliation', () => {
  it('finds what was never delivered, posts it, and has nothing to say the next time', async () => {
    const { intentId } = await buy(selling, fake, principal)
    refund(fake.state, intentOf(intentId), { amount: 200 })
    dispute(fake.state, intentOf(intentId), { amount: 300 })
    fake.deliveries.drop()
    const report = await selling.reconciler.run()
    expect(report.events.missed).toBeGreaterThanOrEqual(4)
    expect(report.differences).toEqual([])
    expect(await balances()).toMatchObject({
      available: 500_000_000,
      frozen: 300_000_000,
      refunded: 200_000_000,
    })
    clock.advance(1_000)
    expect(await other.reconciler.run()).toMatchObject({
      events: { missed: 0, unprocessed: 0 },
      payments: { repaired: 0 },
      refunds: { repaired: 0 },
      disputes: { repaired: 0 },
    })
  })

  it('finds what even Stripe’s events no longer tell', async () => {
    const { intentId } = await buy(selling, fake, principal)
    refund(fake.state, intentOf(intentId), { amount: 200 })
    fake.deliveries.drop()
    fake.state.events.clear()
    clock.advance(1_000)
    const report = await selling.reconciler.run()
    expect(report).toMatchObject({ events: { missed: 0 }, payments: { repaired: 1 }, differences: [] })
    expect(await balances()).toMatchObject({ available: 800_000_000, refunded: 200_000_000 })
  })

  it('goes through every page of Stripe’s lists', async () => {
    const { paymentId, intentId } = await bought()
    for (let count = 0; count < 230; count += 1) fake.state.emit('charge.refunded', intentOf(intentId))
    fake.deliveries.drop()
    clock.advance(1_000)
    const report = await selling.reconciler.run()
    expect(report.events.missed).toBe(230)
    expect((await selling.sync.sync(paymentId))?.payment.state).toBe('paid')
    expect(await balances()).toMatchObject({ available: thousand })
  })

  it('says which payment was paid otherwise than asked, and gives no credits for it', async () => {
    const { url, paymentId } = await selling.checkouts.open(principal, { pack: '1000', saveCard: false })
    const session = fake.sessionAt(url)
    session.amount_total = 1
    expect(paySession(fake.state, session, '4242424242424242')).toBeNull()
    await hear()
    clock.advance(1_000)
    const report = await selling.reconciler.run()
    expect(report.differences).toEqual([
      expect.stringContaining(`Payment ${paymentId}: 0.01 USD was paid instead`),
    ])
    expect(await balances()).toMatchObject({ available: 0 })
    await database.asSystem((trx) =>
      trx.updateTable('payments').set({ problem: null }).where('id', '=', paymentId).execute(),
    )
  })

  it('finds credits of a payment that somebody else has moved', async () => {
    const { paymentId } = await bought()
    await createLedger(database).post({
      kind: 'refund',
      organizationId: principal.organizationId,
      key: 'by hand',
      amount: 1_000_000,
      reference: paymentId,
    })
    clock.advance(1_000)
    const { differences } = await selling.reconciler.run()
    expect(differences).toContain(
      `Payment ${paymentId} should stand for 1,000 credits, and the ledger has 999 for it.`,
    )
  })

  it('is done by one control plane at a time', async () => {
    clock.advance(1_000)
    const results = await Promise.allSettled([selling.reconciler.run(), other.reconciler.run()])
    expect(results.filter((result) => result.status === 'fulfilled')).toHaveLength(1)
    expect(results.find((result) => result.status === 'rejected')).toMatchObject({
      reason: { code: 'reconciliation_running' },
    })
  })
})
