import { openStripe } from '../../../src/adapters/stripe/stripe.ts'
import { type Clock, systemClock } from '../../../src/clock.ts'
import { type Database, openDatabase } from '../../../src/db/database.ts'
import { openListener } from '../../../src/db/listen.ts'
import type { Principal } from '../../../src/domain/accounts/principal.ts'
import { createLedger } from '../../../src/domain/credits/ledger.ts'
import { parsePacks } from '../../../src/domain/payments/packs.ts'
import { registerPaymentWebhook } from '../../../src/http/routes/payment-webhook.ts'
import { createServer, type Server } from '../../../src/http/server.ts'
import { newId } from '../../../src/ids.ts'
import { openLog } from '../../../src/telemetry/log.ts'
import { createSelling, type SellingParts } from '../../../src/wiring/payments.ts'
import { createTestClock, type TestClock } from '../clock.ts'
import { createTestDatabase, type TestDatabase } from '../database.ts'
import { type FakeStripe, startFakeStripe } from './fake-stripe.ts'
import { paySession } from './money.ts'
import { toProviderEvents } from './provider-events.ts'
import { get, type Intent } from './state.ts'

/** One control plane's part that sells, without the rest of it; several may share a database. */
export interface TestSelling extends SellingParts {
  database: Database
  /** With the webhook's route and nothing else. */
  server: Server
  close(): Promise<void>
}

export async function createTestSelling(
  fake: Pick<FakeStripe, 'url' | 'secretKey' | 'webhookSecret'>,
  database: Pick<TestDatabase, 'loginUrl'>,
  options: { clock?: Clock; wrap?: (database: Database) => Database } = {},
): Promise<TestSelling> {
  const opened = openDatabase({ url: database.loginUrl, connectionsMax: 10 })
  const own = options.wrap?.(opened) ?? opened
  const listener = openListener({ url: database.loginUrl })
  const clock = options.clock ?? systemClock
  const parts = createSelling({
    database: own,
    listener,
    clock,
    log: openLog('silent'),
    publicUrl: 'http://reef.test',
    offer: { packs: parsePacks('500=5,1000=10,10400=100') ?? [], currency: 'usd' },
    payments: openStripe({
      secretKey: fake.secretKey,
      webhookSecrets: [fake.webhookSecret],
      apiBase: fake.url,
    }),
  })
  const server = await createServer({ log: openLog('silent'), version: '0.0.0' })
  await registerPaymentWebhook(server, { selling: parts, clock })
  await server.ready()
  return {
    ...parts,
    database: own,
    server,
    close: async () => {
      await server.close()
      await parts.worker.stop()
      await listener.close()
      await own.close()
    },
  }
}

/** A Stripe, a database, and two control planes on it that sell; time moves when it is told to. */
export interface SellingWorld {
  database: TestDatabase
  fake: FakeStripe
  clock: TestClock
  planes: [TestSelling, TestSelling]
  /** Nothing goes wrong any more, and nothing is on its way. */
  calm(): void
  /** Lets a control plane, the first if none is named, hear of all that happened at Stripe. */
  hear(plane?: TestSelling): Promise<void>
  /** Somebody has bought a pack, and their credits are there. */
  bought(
    principal: Principal,
    order?: Parameters<typeof buy>[3],
  ): Promise<{ paymentId: string; intentId: string }>
  intentOf(id: string): Intent
  close(): Promise<void>
}

export async function startSellingWorld(): Promise<SellingWorld> {
  const database = await createTestDatabase()
  const fake = await startFakeStripe()
  fake.deliveries.held = true
  const clock = createTestClock()
  const planes: SellingWorld['planes'] = [
    await createTestSelling(fake, database, { clock }),
    await createTestSelling(fake, database, { clock }),
  ]
  const hear: SellingWorld['hear'] = (plane = planes[0]) => hearOf(fake, plane)
  return {
    database,
    fake,
    clock,
    planes,
    calm: () => {
      fake.troubles.length = 0
      fake.deliveries.drop()
    },
    hear,
    bought: async (principal, order) => {
      const purchase = await buy(planes[0], fake, principal, order)
      await hear()
      return purchase
    },
    intentOf: (id) => get(fake.state.intents, id, 'payment_intent'),
    close: async () => {
      for (const plane of planes) await plane.close()
      await fake.close()
      await database.drop()
    },
  }
}

/** Somebody buys a pack on Stripe's page. Nothing is processed here yet. */
export async function buy(
  selling: TestSelling,
  fake: FakeStripe,
  principal: Principal,
  order: { pack?: string; card?: string; saveCard?: boolean } = {},
): Promise<{ paymentId: string; intentId: string }> {
  const { paymentId, url } = await selling.checkouts.open(principal, {
    pack: order.pack ?? '1000',
    saveCard: order.saveCard ?? false,
  })
  const session = fake.sessionAt(url)
  const problem = paySession(fake.state, session, order.card ?? '4242424242424242')
  if (problem !== null) throw new Error(problem)
  return { paymentId, intentId: session.payment_intent as string }
}

/** Whatever Stripe has to tell reaches this control plane and is processed by it. */
async function hearOf(fake: FakeStripe, plane: TestSelling): Promise<void> {
  for (const event of toProviderEvents(fake.deliveries.waiting))
    if (plane.payments.isHandled(event.type)) await plane.events.store(event, 'webhook')
  fake.deliveries.drop()
  await plane.events.processDue()
}

/** Uses credits up. */
export async function spend(database: Database, organizationId: string, amount: number): Promise<void> {
  await createLedger(database).post({
    kind: 'settle',
    organizationId,
    key: newId(),
    reservationId: newId(),
    amount,
    close: true,
  })
}

/** An organization's balances, with those that are zero. */
export async function balancesOf(database: Database, organizationId: string) {
  const book = await database.asSystem((trx) =>
    trx
      .selectFrom('ledger_books')
      .select(['available', 'frozen', 'refunded', 'purchased', 'written_off', 'granted', 'spent'])
      .where('organization_id', '=', organizationId)
      .executeTakeFirst(),
  )
  return book ?? { available: 0, frozen: 0, refunded: 0, purchased: 0, written_off: 0, granted: 0, spent: 0 }
}
