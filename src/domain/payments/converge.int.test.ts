import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createPerson } from '../../../test/support/control-plane.ts'
import { createTestDatabase, type TestDatabase } from '../../../test/support/database.ts'
import { eventually } from '../../../test/support/eventually.ts'
import { signatureOf } from '../../../test/support/fake-stripe/deliver.ts'
import { type FakeStripe, startFakeStripe } from '../../../test/support/fake-stripe/fake-stripe.ts'
import { changeDispute, dispute, refund } from '../../../test/support/fake-stripe/money.ts'
import {
  balancesOf,
  buy,
  createTestSelling,
  type TestSelling,
} from '../../../test/support/fake-stripe/selling.ts'
import { get, type StripeEvent } from '../../../test/support/fake-stripe/state.ts'
import { newId } from '../../ids.ts'
import type { Principal } from '../accounts/principal.ts'
import { createLedger } from '../credits/ledger.ts'

// A purchase, its refund in part and its dispute: four events, in all 24 orders, each delivered ten times to two control
// planes at once.
const copies = 10
const told = [
  'checkout.session.completed',
  'charge.refunded',
  'charge.dispute.created',
  'charge.dispute.closed',
]

const orders = permutations([0, 1, 2, 3])

let database: TestDatabase
let fake: FakeStripe
let planes: [TestSelling, TestSelling]

beforeAll(async () => {
  database = await createTestDatabase()
  fake = await startFakeStripe()
  fake.deliveries.held = true
  planes = [await createTestSelling(fake, database), await createTestSelling(fake, database)]
})
afterAll(async () => {
  for (const plane of planes) await plane.close()
  await fake.close()
  await database.drop()
})

/** All copies at once, to both; what was stored is processed by both at once. */
async function deliver(events: StripeEvent[]): Promise<void> {
  for (const event of events) {
    const statuses = await Promise.all(
      Array.from({ length: copies }, (_, copy) => post(planes[copy % 2] as TestSelling, event)),
    )
    expect(statuses).toEqual(statuses.map(() => 200))
    await Promise.all(planes.map((plane) => plane.events.processDue()))
    // Each delivery has made its control plane look too, and what that works at nobody else does.
    await eventually(async () => expect(await unprocessed()).toBe(0))
  }
}

function unprocessed(): Promise<number> {
  return database.asSystem(async (trx) => {
    const rows = await trx
      .selectFrom('stripe_events')
      .select('id')
      .where('processed_at', 'is', null)
      .execute()
    return rows.length
  })
}

async function post(plane: TestSelling, event: StripeEvent): Promise<number> {
  const payload = JSON.stringify(event)
  const answer = await plane.server.inject({
    method: 'POST',
    url: '/api/payments/stripe/webhook',
    headers: {
      'content-type': 'application/json',
      'stripe-signature': signatureOf(payload, fake.webhookSecret),
    },
    payload,
  })
  return answer.statusCode
}

interface Story {
  principal: Principal
  /** Each makes one of the four events. */
  steps: (() => Promise<void>)[]
  /** Those of `told` that came about, in their order. */
  events(): StripeEvent[]
}

/** Somebody with 200 credits granted, `spent` of which are gone before anything else. */
async function storyOf(end: 'won' | 'lost', spent: number): Promise<Story> {
  const principal = await createPerson(database)
  const { organizationId } = principal
  const ledger = createLedger(database)
  await ledger.post({ kind: 'grant', organizationId, key: 'grant', amount: 200_000_000 })
  await ledger.post({
    kind: 'settle',
    organizationId,
    key: 'use',
    reservationId: newId(),
    amount: spent,
    close: true,
  })
  const seen = fake.state.events.size
  let intentId = ''
  const intent = () => get(fake.state.intents, intentId, 'payment_intent')
  return {
    principal,
    steps: [
      async () => {
        ;({ intentId } = await buy(planes[0], fake, principal))
      },
      async () => void refund(fake.state, intent(), { amount: 400 }),
      async () => void dispute(fake.state, intent(), { amount: 1_000 }),
      async () => {
        const open = [...fake.state.disputes.values()].find((one) => one.payment_intent === intentId)
        if (open) changeDispute(fake.state, open, end)
      },
    ],
    events: () => {
      fake.deliveries.drop()
      const made = [...fake.state.events.values()].slice(seen)
      return told.flatMap((type) => made.find((event) => event.type === type) ?? [])
    },
  }
}

async function outcomeOf(story: Story) {
  const { organizationId } = story.principal
  const balances = await balancesOf(database, organizationId)
  const keys = await database.asSystem((trx) =>
    trx
      .selectFrom('ledger_transfers')
      .select(['key', 'leg'])
      .where('organization_id', '=', organizationId)
      .execute(),
  )
  expect(new Set(keys.map(({ key, leg }) => `${key} ${leg}`)).size).toBe(keys.length)
  return balances
}

/** What has to come of it: 1,000 bought, 400 refunded, 1,000 disputed; never more than there is. */
const expected = {
  won: { available: 800_000_000 - 50_000_000, frozen: 0, refunded: 400_000_000, written_off: 0 },
  lost: { available: 0, frozen: 0, refunded: 1_400_000_000, written_off: 200_000_000 + 50_000_000 },
}

describe.each(['won', 'lost'] as const)('a purchase that is refunded in part, disputed and %s', (end) => {
  it('comes to one balance in each of 24 orders of its events, each delivered ten times afterwards', async () => {
    expect(orders).toHaveLength(24)
    for (const order of orders) {
      const story = await storyOf(end, 50_000_000)
      for (const step of story.steps) await step()
      const events = story.events()
      expect(events).toHaveLength(4)
      await deliver(order.map((index) => events[index] as StripeEvent))
      expect([order, await outcomeOf(story)]).toMatchObject([order, expected[end]])
    }
  })

  it('comes to the same when the events are late by any of 24 orders while it goes on', async () => {
    for (const order of orders) {
      const story = await storyOf(end, 50_000_000)
      for (const [index, step] of story.steps.entries()) {
        await step()
        const events = story.events()
        // The event that is delivered after this step may be of any earlier one; those of later ones come at the end.
        await deliver(
          order
            .filter((which, turn) => Math.max(which, turn) === index)
            .map((which) => events[which] as StripeEvent),
        )
      }
      expect([order, await outcomeOf(story)]).toMatchObject([order, expected[end]])
    }
  })
})

describe('a purchase that was used up before it was refunded and disputed', () => {
  it('comes to one balance in each of 24 orders', async () => {
    const outcomes = new Set<string>()
    for (const order of orders) {
      const story = await storyOf('lost', 900_000_000)
      for (const step of story.steps) await step()
      const events = story.events()
      await deliver(order.map((index) => events[index] as StripeEvent))
      outcomes.add(JSON.stringify(await outcomeOf(story)))
    }
    expect([...outcomes]).toHaveLength(1)
  })
})

function permutations<T>(items: T[]): T[][] {
  if (items.length <= 1) return [items]
  return items.flatMap((item, index) =>
    permutations(items.toSpliced(index, 1)).map((rest) => [item, ...rest]),
  )
}
