import { createWebhookSender } from '../adapters/webhook/sender.ts'
import type { Config } from '../config.ts'
import type { Database } from '../db/database.ts'
import type { Listener } from '../db/listen.ts'
import type { Authenticator } from '../domain/accounts/principal.ts'
import { createAlertService } from '../domain/credits/alert-service.ts'
import { createAlertWorker } from '../domain/credits/alert-worker.ts'
import { createBudgetService } from '../domain/credits/budget-service.ts'
import { createTrials, type Trials } from '../domain/credits/trial.ts'
import type { Mailer } from '../domain/mail/mailer.ts'
import { createOperators } from '../domain/operators/operators.ts'
import { registerAlertRoutes } from '../http/routes/alerts.ts'
import { registerBudgetRoutes } from '../http/routes/budgets.ts'
import type { Server } from '../http/server.ts'
import type { RootSecret } from '../secrets.ts'
import type { Logger } from '../telemetry/log.ts'

export interface AlertsOptions {
  config: Config
  secret: RootSecret
  database: Database
  listener: Listener
  publicUrl: string
  log: Logger
}

/** What may be spent, who is told when it runs out, and what newcomers begin with. */
export interface Alerts {
  /** Undefined where no mail server is set. */
  readonly mailer: Mailer | undefined
  readonly trials: Trials
  registerRoutes(server: Server, deps: { authenticator: Authenticator }): void
  /** Resolves once trial credits that were due are granted. */
  start(): Promise<void>
  stop(): Promise<void>
}

export async function openAlerts(options: AlertsOptions): Promise<Alerts> {
  const { config, secret, database, listener, publicUrl, log } = options
  const mailer = await openMailer(config)
  const trials = createTrials({ database, secret, credits: config.REEF_TRIAL_CREDITS })
  const webhooks = createWebhookSender({ privateAllowed: config.REEF_WEBHOOK_PRIVATE_NETWORKS })
  const worker = createAlertWorker({
    database,
    listener,
    secret,
    mailer,
    webhooks,
    publicUrl,
    trials,
    onError: (error, what) =>
      log.warn({ err: error }, `${what}: a background step failed and is tried again`),
  })
  return {
    mailer,
    trials,
    registerRoutes: (server, { authenticator }) => {
      registerBudgetRoutes(server, { authenticator, budgets: createBudgetService({ database }) })
      registerAlertRoutes(server, {
        authenticator,
        mail: mailer !== undefined,
        alerts: createAlertService({ database, secret, webhooks, operators: createOperators(database) }),
      })
    },
    start: worker.start,
    stop: async () => {
      await worker.stop()
      mailer?.close()
    },
  }
}

/** The library is loaded only where a mail server is named. */
async function openMailer(config: Config): Promise<Mailer | undefined> {
  if (!config.REEF_SMTP_URL) return undefined
  const { openSmtpMailer } = await import('../adapters/smtp/mailer.ts')
  return openSmtpMailer({
    url: config.REEF_SMTP_URL,
    from: config.REEF_MAIL_FROM ?? `Reef <reef@${config.REEF_DOMAIN}>`,
  })
}
