import { type Selectable, sql } from 'kysely'
import type { Database } from '../../db/database.ts'
import type { AlertDeliveriesTable } from '../../db/tables/budgets.ts'
import type { RootSecret } from '../../secrets.ts'
import type { Mailer } from '../mail/mailer.ts'
import { type AlertRow, alertMail, signatureOf, webhookBody, webhookSecret } from './alert-body.ts'
import type { WebhookSender } from './webhook-sender.ts'

export interface AlertDeliveriesDeps {
  database: Database
  secret: RootSecret
  /** Undefined where there is no mail server: then mails are given up at once, and the dashboard shows the alert. */
  mailer: Mailer | undefined
  webhooks: WebhookSender
  publicUrl: string
}

/** Seconds before each further attempt; about a day in all. */
const retrySeconds = [10, 60, 300, 1800, 7200, 21_600, 43_200]

/** For longer than an attempt takes, nobody else takes it up. */
const leaseSeconds = 60
const claimedMax = 10

type Delivery = Selectable<AlertDeliveriesTable>

/**
 * Sends what is due, from as many control planes as like to. At least once: whoever dies between the sending and the
 * note of it has sent it, and another will send it again under the same id. Answers how many were tried.
 */
export async function sendDueAlerts(deps: AlertDeliveriesDeps): Promise<number> {
  const claimed = await deps.database.asSystem(async (trx) => {
    const { rows } = await sql<Delivery>`
      update alert_deliveries set attempts = attempts + 1,
        next_attempt_at = now() + make_interval(secs => ${leaseSeconds})
      where id in (
        select id from alert_deliveries where next_attempt_at <= now()
        order by next_attempt_at limit ${claimedMax} for update skip locked
      ) returning *`.execute(trx)
    return rows
  })
  await Promise.all(
    claimed.map(async (delivery) => {
      const failure = await attempt(deps, delivery).then(
        () => null,
        (error: Error) => error,
      )
      await note(deps.database, delivery, failure)
    }),
  )
  return claimed.length
}

/** Trying again would change nothing. */
class Hopeless extends Error {}

async function attempt(deps: AlertDeliveriesDeps, delivery: Delivery): Promise<void> {
  const { alert, organizationName, webhook } = await load(deps.database, delivery)
  if (delivery.channel === 'webhook') {
    if (!webhook || alert.organization_id === null) throw new Hopeless('The webhook was removed.')
    const body = webhookBody(alert)
    const secret = webhookSecret(deps.secret, alert.organization_id, webhook.secret_id)
    await deps.webhooks.post({
      url: webhook.url,
      body,
      headers: {
        'content-type': 'application/json',
        'user-agent': 'Reef',
        'reef-delivery': delivery.id,
        'reef-signature': signatureOf(secret, body, new Date()),
      },
    })
    return
  }
  if (!deps.mailer) throw new Hopeless('No mail server is configured (REEF_SMTP_URL).')
  // The table's own check: a mail has a recipient.
  const to = delivery.recipient as string
  await deps.mailer.send(alertMail(alert, { to, organizationName, publicUrl: deps.publicUrl }))
}

async function load(database: Database, delivery: Delivery) {
  return database.asSystem(async (trx) => {
    const alert: AlertRow = await trx
      .selectFrom('alerts')
      .selectAll()
      .where('id', '=', delivery.alert_id)
      .executeTakeFirstOrThrow()
    if (delivery.organization_id === null) return { alert, organizationName: null, webhook: undefined }
    const organization = await trx
      .selectFrom('organizations')
      .select('name')
      .where('id', '=', delivery.organization_id)
      .executeTakeFirst()
    const webhook = await trx
      .selectFrom('alert_webhooks')
      .select(['url', 'secret_id'])
      .where('organization_id', '=', delivery.organization_id)
      .executeTakeFirst()
    return { alert, organizationName: organization?.name ?? null, webhook }
  })
}

async function note(database: Database, delivery: Delivery, failure: Error | null): Promise<void> {
  const wait = retrySeconds[delivery.attempts - 1]
  const over = failure === null || failure instanceof Hopeless || wait === undefined
  await database.asSystem((trx) =>
    trx
      .updateTable('alert_deliveries')
      .set({
        delivered_at: failure === null ? sql<Date>`now()` : null,
        failure: failure?.message.slice(0, 500) ?? null,
        next_attempt_at: over ? null : sql<Date>`now() + make_interval(secs => ${wait})`,
      })
      .where('id', '=', delivery.id)
      // Somebody else has taken it up since, and knows better than a failure; that it was taken stays true.
      .$if(failure !== null, (query) => query.where('attempts', '=', delivery.attempts))
      .execute(),
  )
}
