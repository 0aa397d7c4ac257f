import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createTestClock } from '../support/clock.ts'
import { createPerson } from '../support/control-plane.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { eventually } from '../support/eventually.ts'
import { type FakeStripe, startFakeStripe } from '../support/fake-stripe/fake-stripe.ts'
import { dispute, refund } from '../support/fake-stripe/money.ts'
import { balancesOf, buy, createTestSelling, type TestSelling } from '../support/fake-stripe/selling.ts'
import { get, type StripeEvent } from '../support/fake-stripe/state.ts'

const program = fileURLToPath(new URL('../support/fake-stripe/plane-process.ts', import.meta.url))
/** Every third point reaches both kinds, before a transaction and after one. */
const stride = process.env.REEF_TEST_FULL_PAYMENTS ? 1 : 3
const webhookPath = '/api/payments/stripe/webhook'

let database: TestDatabase
let fake: FakeStripe
const clock = createTestClock()
let survivor: TestSelling
let survivorUrl: string

beforeAll(async () => {
  database = await createTestDatabase()
  fake = await startFakeStripe()
  fake.deliveries.held = true
  survivor = await createTestSelling(fake, database, { clock })
  survivorUrl = await survivor.server.listen({ host: '127.0.0.1', port: 0 })
})
afterAll(async () => {
  await survivor.close()
  await fake.close()
  await database.drop()
})

async function startMortal(step: number): Promise<{ child: ChildProcess; url: string }> {
  const given = [database.loginUrl, fake.url, fake.secretKey, fake.webhookSecret, String(step)]
  const child = spawn(process.execPath, [program, ...given], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = (await once(child.stdout as NodeJS.ReadableStream, 'data')) as [Buffer]
  return { child, url: String(line).trim() }
}

/** As Stripe does: what was not acknowledged is delivered again, to whoever answers then. */
async function deliver(event: StripeEvent, url: string): Promise<void> {
  // The survivor's clock runs ahead.
  const timestamp = Math.floor(clock.now().getTime() / 1000)
  fake.deliveries.endpoint = `${url}${webhookPath}`
  if ((await fake.deliveries.send(event, { timestamp }).catch(() => 0)) === 200) return
  fake.deliveries.endpoint = `${survivorUrl}${webhookPath}`
  expect(await fake.deliveries.send(event, { timestamp })).toBe(200)
}

const unprocessed = () =>
  database.asSystem((trx) =>
    trx.selectFrom('stripe_events').select('id').where('processed_at', 'is', null).execute(),
  )

it('a control plane killed with -9 before or after any transaction loses nothing and posts nothing twice', {
  timeout: 240_000,
}, async () => {
  let step = 1 - stride
  let survived = false
  while (!survived) {
    step += stride
    const principal = await createPerson(database)
    const { intentId } = await buy(survivor, fake, principal)
    const intent = get(fake.state.intents, intentId, 'payment_intent')
    refund(fake.state, intent, { amount: 300 })
    dispute(fake.state, intent, { amount: 500 })
    const events = fake.deliveries.waiting.filter(({ type }) =>
      ['charge.dispute.created', 'checkout.session.completed'].includes(type),
    )
    fake.deliveries.drop()
    expect(events).toHaveLength(2)

    const { child, url } = await startMortal(step)
    const exited = once(child, 'exit')
    for (const event of events) await deliver(event, url)
    await eventually(async () => {
      if (child.exitCode === null && child.signalCode === null) expect(await unprocessed()).toEqual([])
    })
    survived = child.signalCode === null
    child.kill('SIGKILL')
    await exited

    // The lease of whatever it had taken ends.
    clock.advance(61_000)
    await survivor.events.processDue()
    await eventually(async () => expect(await unprocessed()).toEqual([]))
    expect([step, await balancesOf(database, principal.organizationId)]).toMatchObject([
      step,
      { purchased: 1_000_000_000, refunded: 300_000_000, frozen: 500_000_000, available: 200_000_000 },
    ])
  }
  // Store, take, read, write and finish, twice over, before and after each.
  expect(step).toBeGreaterThan(12)
})
