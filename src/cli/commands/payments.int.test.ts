import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestCommandLine, type TestCommandLine } from '../../../test/support/command-line.ts'
import { eventually } from '../../../test/support/eventually.ts'
import { type FakeStripe, startFakeStripe } from '../../../test/support/fake-stripe/fake-stripe.ts'
import { cards, paySession, refund } from '../../../test/support/fake-stripe/money.ts'

let fake: FakeStripe
let cli: TestCommandLine
let paymentId: string
let intentId: string

beforeAll(async () => {
  fake = await startFakeStripe()
  cli = await startTestCommandLine({ environment: fake.environment })
  const owner = await cli.app.person('owner@example.com')
  const begun = await owner.call<{ paymentId: string; url: string }>('POST', '/api/payments/checkout', {
    pack: '1000',
  })
  const session = fake.sessionAt(begun.url)
  expect(paySession(fake.state, session, cards.good)).toBeNull()
  paymentId = begun.paymentId
  intentId = session.payment_intent as string
  await eventually(async () =>
    expect(await owner.call('GET', `/api/payments/${paymentId}`)).toMatchObject({ state: 'paid' }),
  )
})
afterAll(async () => {
  await cli?.end()
  await fake?.close()
})

const reef: TestCommandLine['reef'] = (...given) => cli.reef(...given)

test('an operator finds a payment and refunds a part of it', async () => {
  expect((await reef(['payments', 'list'])).stdout).toMatch(new RegExp(`${paymentId} .*paid +10\\.00 USD`))
  expect((await reef(['payments', 'list', '--search', 'owner@example'])).stdout).toContain(paymentId)
  expect((await reef(['payments', 'list', '--disputed'])).stdout).toBe('No payments like this.\n')
  expect((await reef(['payments', 'list', '--older-than', paymentId])).stdout).toBe(
    'No payments like this.\n',
  )
  expect((await reef(['payments', 'list', '--limit', 'all'])).stderr).toContain('limit')
  const refunded = await reef(['payments', 'refund', paymentId, '--amount', '2.5', '--reason', 'Sorry.'])
  expect(refunded).toMatchObject({ code: 0, stdout: 'Refunded: 2.50 USD of 10.00 USD in all.\n' })
  expect((await reef(['payments', 'refund', paymentId, '--amount', 'all'])).stderr).toContain('like 5.00')
  expect((await reef(['payments', 'refund', paymentId, '--amount', '9'])).stderr).toContain('7.50 USD')
})

test('a refund whose answer was lost says how to ask again, and is then made once', async () => {
  fake.troubles.push({ match: /^POST \/v1\/refunds/, kind: 'lost', times: 3 })
  const refundOne = ['payments', 'refund', paymentId, '--amount', '1']
  const lost = await reef(refundOne)
  fake.troubles.length = 0
  expect(lost).toMatchObject({ code: 1, stderr: expect.stringContaining('--idempotency-key') })
  const [, key = ''] = /--idempotency-key (\S+)/.exec(lost.stderr) ?? []
  const again = await reef([...refundOne, '--idempotency-key', key])
  expect(again).toMatchObject({ code: 0, stdout: 'Refunded: 3.50 USD of 10.00 USD in all.\n' })
})

test('reconciliation posts what was never delivered, and exits with 1 when somebody has to look', async () => {
  const intent = fake.state.intents.get(intentId)
  if (intent) refund(fake.state, intent, { amount: 100 })
  await eventually(async () => {
    const { code, stdout } = await reef(['payments', 'reconcile'])
    expect([code, stdout]).toEqual([0, expect.stringContaining('Nothing differs.')])
  })
  expect(JSON.parse((await reef(['payments', 'list', '--json'])).stdout)).toMatchObject([
    { id: paymentId, refundedCents: 450 },
  ])
  await cli.app.database.asSystem((trx) =>
    trx.updateTable('payment_refunds').set({ credits: 1 }).where('amount_cents', '=', 100).execute(),
  )
  const found = await reef(['payments', 'reconcile'])
  expect(found).toMatchObject({
    code: 1,
    stdout: expect.stringContaining(`Payment ${paymentId} should stand`),
  })
})
