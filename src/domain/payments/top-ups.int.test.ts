import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createPerson } from '../../../test/support/control-plane.ts'
import { cards, detach } from '../../../test/support/fake-stripe/money.ts'
import {
  balancesOf,
  type SellingWorld,
  spend,
  startSellingWorld,
  type TestSelling,
} from '../../../test/support/fake-stripe/selling.ts'
import { openLog } from '../../telemetry/log.ts'
import type { Principal } from '../accounts/principal.ts'
import { lookAtDue } from './looks.ts'

let world: SellingWorld
let database: SellingWorld['database']
let fake: SellingWorld['fake']
let clock: SellingWorld['clock']
let planes: SellingWorld['planes']
let principal: Principal

const minute = 60_000
const hour = 60 * minute
const hundred = 100_000_000

beforeAll(async () => {
  world = await startSellingWorld()
  ;({ database, fake, clock, planes } = world)
})
afterAll(() => world.close())
beforeEach(() => world.calm())

/** Somebody who bought 1,000 credits, let the card be saved, used all but `left`, and switched auto top-up on. */
async function low(
  card: string,
  settings: { monthlyLimitCents?: number; left?: number } = {},
): Promise<void> {
  principal = await createPerson(database)
  const { organizationId } = principal
  await world.bought(principal, { card, saveCard: true })
  await spend(database, principal.organizationId, 1_000_000_000 - (settings.left ?? hundred))
  await database.asSystem((trx) =>
    trx
      .insertInto('auto_top_ups')
      .values({
        organization_id: organizationId,
        enabled: true,
        threshold: 2 * hundred,
        pack: '500',
        monthly_limit_cents: settings.monthlyLimitCents ?? 2_000,
        due_at: clock.now(),
        problem: null,
        updated_by: null,
      })
      .execute(),
  )
}

const hear = () => world.hear(planes[1])

const run = () => planes[0].topUps.run(principal.organizationId)
const available = async () => (await balancesOf(database, principal.organizationId)).available
const topUps = () =>
  database.asSystem((trx) =>
    trx
      .selectFrom('payments')
      .selectAll()
      .where('organization_id', '=', principal.organizationId)
      .where('kind', '=', 'auto_top_up')
      .orderBy('id')
      .execute(),
  )
const settings = () =>
  database.asSystem((trx) =>
    trx
      .selectFrom('auto_top_ups')
      .selectAll()
      .where('organization_id', '=', principal.organizationId)
      .executeTakeFirstOrThrow(),
  )
const changeSettings = (change: { enabled?: boolean; pack?: string }) =>
  database.asSystem((trx) =>
    trx
      .updateTable('auto_top_ups')
      .set(change)
      .where('organization_id', '=', principal.organizationId)
      .execute(),
  )
/** An order whose charge Stripe did not take, or whose answer nobody got. */
const outOfOrder = async (kind: 'broken' | 'lost' = 'broken') => {
  fake.troubles.push({ match: /^POST \/v1\/payment_intents$/, kind, times: 3 })
  await run()
  expect(await topUps()).toMatchObject([{ state: 'open', intent_id: null }])
  fake.deliveries.drop()
}
const lookLater = async () => {
  clock.advance(2 * minute)
  await lookAtDue({ ...planes[1], clock, log: openLog('silent') })
}
const alerts = () =>
  database.asSystem((trx) =>
    trx
      .selectFrom('alerts')
      .selectAll()
      .where('organization_id', '=', principal.organizationId)
      .where('kind', '=', 'top_up_failed')
      .orderBy('created_at')
      .execute(),
  )
const intents = () => {
  const customers = new Set([...fake.state.customers.values()].map((one) => one.id))
  return [...fake.state.intents.values()].filter(
    (intent) =>
      customers.has(intent.customer ?? '') &&
      intent.metadata.reef_organization_id === principal.organizationId &&
      intent.amount === 500,
  )
}

describe('auto top-up', () => {
  it('buys a pack with the saved card, and nothing once there is enough', async () => {
    await low(cards.good)
    await run()
    expect(await available()).toBe(hundred + 5 * hundred)
    await hear()
    clock.advance(2 * minute)
    await run()
    expect(await topUps()).toMatchObject([{ state: 'paid' }])
    expect(await available()).toBe(6 * hundred)
  })

  it('charges once, however many control planes look at once, and however often', async () => {
    await low(cards.good, { left: 0 })
    await Promise.all(
      Array.from({ length: 20 }, (_, turn) =>
        (planes[turn % 2] as TestSelling).topUps.run(principal.organizationId),
      ),
    )
    expect(intents()).toHaveLength(1)
    expect(await available()).toBe(5 * hundred)
  })

  it('charges once when the answer was lost and somebody else goes on with it', async () => {
    await low(cards.good)
    fake.troubles.push({ match: /^POST \/v1\/payment_intents$/, kind: 'lost', times: 3 })
    await run()
    expect(await topUps()).toMatchObject([{ state: 'open', intent_id: null }])
    fake.deliveries.drop()
    clock.advance(2 * minute)
    await run()
    await lookAtDue({ ...planes[1], clock, log: openLog('silent') })
    expect(intents()).toHaveLength(1)
    expect(await available()).toBe(6 * hundred)
  })

  it('finds what was charged long ago, when Stripe has forgotten the key', async () => {
    await low(cards.good)
    // The real clock decides about keys, as Stripe's does.
    fake.troubles.push({ match: /^POST \/v1\/payment_intents$/, kind: 'lost', times: 3 })
    await run()
    fake.deliveries.drop()
    const [payment] = await topUps()
    const longAgo = new Date(Date.now() - 13 * hour)
    await planes[1].topUps.resume({ ...(payment as NonNullable<typeof payment>), created_at: longAgo })
    expect(intents()).toHaveLength(1)
    expect(await available()).toBe(6 * hundred)
  })

  it.each([
    ['is switched off meanwhile', { enabled: false }, 'switched off'],
    ['is to buy another pack meanwhile', { pack: '1000' }, 'Another card or pack'],
    ['is no longer needed', null, 'enough credits again'],
  ])('does not charge later what Stripe did not take, when it %s', async (_why, change, words) => {
    await low(cards.good)
    await outOfOrder()
    if (change) await changeSettings(change)
    else await world.bought(principal)
    await lookLater()
    expect(intents()).toEqual([])
    expect(await topUps()).toMatchObject([
      { state: 'failed', look_at: null, failure_message: expect.stringContaining(words) },
    ])
    // The card is not to blame.
    expect(await settings()).toMatchObject({ failures: 0, problem: null, ...change })
    expect(await alerts()).toEqual([])
  })

  it('buys again as usual after an order that was dropped', async () => {
    await low(cards.good)
    await outOfOrder()
    await changeSettings({ enabled: false })
    await lookLater()
    await changeSettings({ enabled: true })
    await run()
    expect(intents()).toHaveLength(1)
    expect((await topUps()).map(({ state }) => state)).toEqual(['failed', 'paid'])
  })

  it('keeps what was charged before it was switched off, though the answer was lost', async () => {
    await low(cards.good)
    // Stripe's own clock says when an intent was made.
    await outOfOrder('lost')
    await changeSettings({ enabled: false })
    const [payment] = await topUps()
    await planes[1].topUps.resume({ ...(payment as NonNullable<typeof payment>), created_at: new Date() })
    expect(intents()).toHaveLength(1)
    expect(await topUps()).toMatchObject([{ state: 'paid' }])
    expect(await available()).toBe(6 * hundred)
  })

  it('does not give up what it cannot ask about', async () => {
    await low(cards.good)
    await outOfOrder()
    await changeSettings({ enabled: false })
    fake.troubles.push({ match: /^GET \/v1\/payment_intents$/, kind: 'broken', times: 3 })
    await lookLater()
    expect(await topUps()).toMatchObject([{ state: 'open', look_at: expect.any(Date) }])
    expect(intents()).toEqual([])
  })

  it('keeps to the monthly limit, says so once, and goes on in the next month', async () => {
    await low(cards.good, { monthlyLimitCents: 900 })
    await run()
    expect(await available()).toBe(6 * hundred)
    await spend(database, principal.organizationId, 6 * hundred)
    for (let round = 0; round < 3; round += 1) {
      clock.advance(2 * minute)
      await run()
    }
    expect(await topUps()).toHaveLength(1)
    expect(await settings()).toMatchObject({ enabled: true, problem: expect.stringContaining('9.00 USD') })
    expect(await alerts()).toHaveLength(1)
    clock.advance(32 * 24 * hour)
    await run()
    expect(await topUps()).toHaveLength(2)
    expect(await settings()).toMatchObject({ problem: null })
  })

  it('tries a declined card again after an hour and after six, and then never', async () => {
    await low(cards.declinesLater)
    await run()
    expect(await settings()).toMatchObject({ enabled: true, failures: 1 })
    for (const wait of [59 * minute, 2 * minute, 5 * hour, 61 * minute, 48 * hour]) {
      clock.advance(wait)
      await run()
    }
    expect(await topUps()).toMatchObject([
      { state: 'failed', failure_code: 'generic_decline' },
      { state: 'failed' },
      { state: 'failed' },
    ])
    expect(await settings()).toMatchObject({ enabled: false, failures: 3 })
    expect((await alerts()).at(-1)?.message).toContain('Auto top-up is off')
    // Nothing is left that somebody could pay later.
    expect(intents().map((intent) => intent.status)).toEqual(['canceled', 'canceled', 'canceled'])
    await hear()
    expect(await available()).toBe(hundred)
  })

  it('is off at once when the bank wants the owner to be there', async () => {
    await low(cards.authenticationRequired)
    await run()
    expect(await topUps()).toMatchObject([{ state: 'failed', failure_code: 'authentication_required' }])
    expect(await settings()).toMatchObject({ enabled: false, failures: 1 })
  })

  it('is off when the card was taken away, whether that was heard of or not', async () => {
    for (const heard of [true, false]) {
      await low(cards.good)
      for (const method of fake.state.methods.values()) if (method.customer) detach(fake.state, method)
      if (heard) await hear()
      fake.deliveries.drop()
      await run()
      expect(await settings()).toMatchObject({ enabled: false })
      expect(intents()).toEqual([])
      expect((await topUps()).map((payment) => payment.state)).toEqual(heard ? [] : ['failed'])
    }
  })

  it('does not blame the card for Stripe being out of order', async () => {
    await low(cards.good)
    fake.troubles.push({ match: /^POST \/v1\/payment_intents$/, kind: 'broken', times: 3 })
    await run()
    expect(await settings()).toMatchObject({ enabled: true, failures: 0 })
    clock.advance(2 * minute)
    await lookAtDue({ ...planes[1], clock, log: openLog('silent') })
    expect(await available()).toBe(6 * hundred)
  })
})
