import { afterAll, beforeAll, expect, it } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../../../test/support/database.ts'
import { insertPayment } from '../../../test/support/rows.ts'
import { systemClock } from '../../clock.ts'
import { newId } from '../../ids.ts'
import type { PaymentFacts } from './payments.ts'
import { createPaymentSync } from './sync.ts'

let database: TestDatabase
beforeAll(async () => {
  database = await createTestDatabase()
})
afterAll(() => database.drop())

const facts = (more: Partial<PaymentFacts>): PaymentFacts => ({
  state: 'processing',
  checkoutId: 'cs_1',
  intentId: 'pi_1',
  customerId: 'cus_of_nobody',
  amountCents: 500,
  currency: 'usd',
  receiptUrl: null,
  failure: null,
  refunds: [],
  disputes: [],
  ...more,
})

it('an answer that is older than what was written meanwhile is not written, but asked for again', async () => {
  const paymentId = await insertPayment(database, newId())
  await database.asSystem((trx) =>
    trx
      .updateTable('payments')
      .set({ state: 'open', checkout_id: 'cs_1' })
      .where('id', '=', paymentId)
      .execute(),
  )
  const old = Promise.withResolvers<PaymentFacts>()
  const answers = [
    old.promise,
    Promise.resolve(facts({ state: 'paid' })),
    Promise.resolve(facts({ state: 'paid' })),
  ]
  let asked = 0
  const { sync } = createPaymentSync({
    database,
    payments: {
      read: () => {
        asked += 1
        return answers[asked - 1] as Promise<PaymentFacts>
      },
    },
    clock: systemClock,
    onSettled: async () => undefined,
    onPaid: async () => undefined,
  })
  const slow = sync(paymentId)
  await expect.poll(() => asked).toBe(1)
  expect((await sync(paymentId))?.payment.state).toBe('paid')
  old.resolve(facts({ state: 'processing' }))
  expect((await slow)?.payment.state).toBe('paid')
  expect(asked).toBe(3)
})
