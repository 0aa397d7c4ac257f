import type { Clock } from '../clock.ts'
import type { Config } from '../config.ts'
import type { Database } from '../db/database.ts'
import type { Listener } from '../db/listen.ts'
import type { Authenticator } from '../domain/accounts/principal.ts'
import { clearAlert, raiseAlert } from '../domain/credits/alerts.ts'
import type { Operators } from '../domain/operators/operators.ts'
import { type Checkouts, createCheckouts } from '../domain/payments/checkout.ts'
import { createCustomers } from '../domain/payments/customers.ts'
import { createProviderEvents, type ProviderEvents } from '../domain/payments/events.ts'
import { listPayments } from '../domain/payments/operator-list.ts'
import type { Offer } from '../domain/payments/packs.ts'
import type { Payments } from '../domain/payments/payments.ts'
import { createReconciler, type Reconciler } from '../domain/payments/reconcile.ts'
import { listReconciliations } from '../domain/payments/reconciliations.ts'
import { createRefunds, type Refunds } from '../domain/payments/refunds.ts'
import { createPaymentService } from '../domain/payments/service.ts'
import { createPaymentSync, type PaymentSync } from '../domain/payments/sync.ts'
import { createTopUps, settleTopUp, type TopUpAlert, type TopUps } from '../domain/payments/top-ups.ts'
import { createPaymentWorker, type PaymentWorker } from '../domain/payments/worker.ts'
import { registerAdminPaymentRoutes } from '../http/routes/admin-payments.ts'
import { registerPaymentWebhook } from '../http/routes/payment-webhook.ts'
import { registerPaymentRoutes } from '../http/routes/payments.ts'
import type { Server } from '../http/server.ts'
import type { Logger } from '../telemetry/log.ts'

export interface OpenPaymentsDeps {
  config: Config
  database: Database
  listener: Listener
  authenticator: Authenticator
  operators: Operators
  clock: Clock
  log: Logger
  /** Where people reach the dashboard. */
  publicUrl: string
}

/** Selling credits, with its routes; without a key of Stripe's everything but saying so is left out. */
export interface PaymentArea {
  start(): void
  stop(): Promise<void>
  /** What the operator should know, one sentence each. */
  notices(): Promise<string[]>
}

/** The parts of selling, wired. */
export interface SellingParts {
  payments: Payments
  checkouts: Checkouts
  sync: PaymentSync
  events: ProviderEvents
  topUps: TopUps
  refunds: Refunds
  reconciler: Reconciler
  worker: PaymentWorker
}

/** Each new reason is told, and takes the last one's place. */
const alert: TopUpAlert = async (trx, { organizationId, message }) => {
  const key = `top_up:${organizationId}`
  await clearAlert(trx, key)
  if (message === null) return
  await raiseAlert(trx, {
    organizationId,
    kind: 'top_up_failed',
    severity: 'warning',
    title: 'Auto top-up did not buy credits',
    message,
    key,
  })
}

export async function openPayments(server: Server, deps: OpenPaymentsDeps): Promise<PaymentArea> {
  const { config, database, authenticator, operators, clock, log } = deps
  const offer: Offer = { packs: config.REEF_CREDIT_PACKS, currency: config.REEF_CREDIT_CURRENCY }
  const payments = await openProvider(config)
  const parts = payments ? createSelling({ ...deps, payments, offer }) : null
  const service = createPaymentService({
    database,
    offer,
    selling: parts && {
      name: parts.payments.name,
      testMode: parts.payments.testMode,
      checkouts: parts.checkouts,
      sync: parts.sync,
      topUps: parts.topUps,
    },
    now: () => clock.now(),
    onError: (error) => log.warn({ err: error }, 'an auto top-up was not made'),
  })
  registerPaymentRoutes(server, { authenticator, payments: service })
  await registerPaymentWebhook(server, { selling: parts, clock })
  registerAdminPaymentRoutes(server, {
    authenticator,
    operators,
    listPayments: (filter, place) => listPayments(database, filter, place),
    listReconciliations: () => listReconciliations(database),
    selling: parts,
  })
  return {
    start: () => parts?.worker.start(),
    stop: async () => parts?.worker.stop(),
    notices: async () => (parts ? noticesOf(parts) : []),
  }
}

export function createSelling(
  deps: Pick<OpenPaymentsDeps, 'database' | 'listener' | 'clock' | 'log' | 'publicUrl'> & {
    payments: Payments
    offer: Offer
  },
): SellingParts {
  const { database, payments, offer, clock, log } = deps
  const customers = createCustomers({ database, payments, clock })
  const sync = createPaymentSync({
    database,
    payments,
    clock,
    onSettled: (trx, _before, after) => settleTopUp(trx, after, { clock, alert }),
    // Cards are looked up again whenever Stripe tells of one, so this may fail.
    onPaid: (payment) =>
      customers
        .refreshCard(payment.customer_id)
        .catch((error) => log.warn({ err: error }, 'a saved card could not be looked up')),
  })
  const topUps = createTopUps({
    database,
    payments,
    sync,
    offer,
    clock,
    alert,
    onError: (error, organizationId) =>
      log.warn({ err: error, organizationId }, 'an auto top-up was not made'),
  })
  const refunds = createRefunds({
    database,
    payments,
    sync,
    clock,
    onError: (error, refundId) => log.warn({ err: error, refundId }, 'a refund was not made'),
  })
  const events = createProviderEvents({
    database,
    payments,
    sync,
    customers,
    clock,
    onError: (error, eventId) => log.warn({ err: error, eventId }, 'an event of Stripe was not processed'),
  })
  const reconciler = createReconciler({ database, payments, events, sync, clock })
  const worker = createPaymentWorker({ ...deps, events, topUps, refunds, reconciler, sync })
  const checkouts = createCheckouts({
    database,
    payments,
    customers,
    offer,
    clock,
    returnUrls: (paymentId) => ({
      success: `${deps.publicUrl}/credits?payment=${paymentId}`,
      cancel: `${deps.publicUrl}/credits?payment=${paymentId}&canceled=true`,
    }),
    portalReturnUrl: `${deps.publicUrl}/credits`,
  })
  return { payments, checkouts, sync, events, topUps, refunds, reconciler, worker }
}

/** The library is loaded only where a key is set: it takes memory and time. */
async function openProvider(config: Config): Promise<Payments | null> {
  if (!config.STRIPE_SECRET_KEY) return null
  const { openStripe } = await import('../adapters/stripe/stripe.ts')
  return openStripe({
    secretKey: config.STRIPE_SECRET_KEY,
    webhookSecrets: config.STRIPE_WEBHOOK_SECRET,
    apiBase: config.STRIPE_API_BASE,
  })
}

async function noticesOf({ payments, events, reconciler }: SellingParts): Promise<string[]> {
  const stuck = await events.countStuck()
  const differences = await reconciler.lastDifferences()
  return [
    ...(payments.testMode ? ['Credits are sold for pretended money: STRIPE_SECRET_KEY is a test key.'] : []),
    ...(payments.problem ? [payments.problem] : []),
    ...(stuck > 0 ? [`Payments: ${stuck} events of Stripe could not be processed. See the log.`] : []),
    ...(differences.length > 0
      ? [
          `Payments: the last reconciliation found ${differences.length} differences. Run: reef payments reconcile`,
        ]
      : []),
  ]
}
