import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestApp, type TestApp } from '../../../test/support/app.ts'
import { eventually } from '../../../test/support/eventually.ts'
import { type FakeStripe, startFakeStripe } from '../../../test/support/fake-stripe/fake-stripe.ts'
import { cards, paySession, refund } from '../../../test/support/fake-stripe/money.ts'

const main = fileURLToPath(new URL('../main.ts', import.meta.url))
let fake: FakeStripe
let app: TestApp
let home: string
let paymentId: string
let intentId: string

beforeAll(async () => {
  fake = await startFakeStripe()
  app = await startTestApp({ environment: fake.environment })
  home = await mkdtemp(join(tmpdir(), 'reef-cli-'))
  const signUp = ['sign-up', '--name', 'Ada', '--email', 'ada@example.com', '--password-stdin']
  expect(await reef(signUp, 'correct horse battery\n')).toMatchObject({ code: 0 })
  const owner = await app.person('owner@example.com')
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
  await app?.end()
  await fake?.close()
  if (home) await rm(home, { recursive: true })
})

/** The command line as a person runs it. */
async function reef(
  argv: string[],
  input = '',
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [main, ...argv], {
    env: { PATH: process.env.PATH, XDG_CONFIG_HOME: home, REEF_URL: app.url },
    stdio: 'pipe',
  })
  child.stdin.end(input)
  const output = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const)
    child[name].on('data', (chunk) => {
      output[name] += chunk
    })
  const code = await new Promise<number | null>((done) => child.on('close', done))
  return { code, ...output }
}

test('an operator finds a payment and refunds a part of it', async () => {
  expect((await reef(['payments', 'list'])).stdout).toMatch(new RegExp(`${paymentId} .*paid +10\\.00 USD`))
  const refunded = await reef(['payments', 'refund', paymentId, '--amount', '2.5', '--reason', 'Sorry.'])
  expect(refunded).toMatchObject({ code: 0, stdout: 'Refunded: 2.50 USD of 10.00 USD in all.\n' })
  expect((await reef(['payments', 'refund', paymentId, '--amount', 'all'])).stderr).toContain('like 5.00')
  expect((await reef(['payments', 'refund', paymentId, '--amount', '9'])).stderr).toContain('7.50 USD')
})

test('reconciliation posts what was never delivered, and exits with 1 when somebody has to look', async () => {
  const intent = fake.state.intents.get(intentId)
  if (intent) refund(fake.state, intent, { amount: 100 })
  await eventually(async () => {
    const { code, stdout } = await reef(['payments', 'reconcile'])
    expect([code, stdout]).toEqual([0, expect.stringContaining('Nothing differs.')])
  })
  expect(JSON.parse((await reef(['payments', 'list', '--json'])).stdout)).toMatchObject([
    { id: paymentId, refundedCents: 350 },
  ])
  await app.database.asSystem((trx) =>
    trx.updateTable('payment_refunds').set({ credits: 1 }).where('amount_cents', '=', 100).execute(),
  )
  const found = await reef(['payments', 'reconcile'])
  expect(found).toMatchObject({
    code: 1,
    stdout: expect.stringContaining(`Payment ${paymentId} should stand`),
  })
})
