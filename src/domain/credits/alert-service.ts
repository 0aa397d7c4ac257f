import { sql } from 'kysely'
import type { Database, Trx } from '../../db/database.ts'
import type { AlertKind, AlertSeverity } from '../../db/tables/budgets.ts'
import { conflict, invalid, notFound } from '../../errors.ts'
import { newId } from '../../ids.ts'
import type { RootSecret } from '../../secrets.ts'
import { type Principal, requirePerson, requireRole, requireScope } from '../accounts/principal.ts'
import type { Operators } from '../operators/operators.ts'
import { type AlertRow, webhookSecret } from './alert-body.ts'
import { raiseAlert } from './alerts.ts'
import type { WebhookSender } from './webhook-sender.ts'

export interface AlertView {
  id: string
  kind: AlertKind
  severity: AlertSeverity
  title: string
  message: string
  details: Record<string, string | number | null>
  /** Whether it is about this Reef as a whole, for its operators. */
  forOperators: boolean
  createdAt: Date
}

export interface AlertWebhook {
  url: string
  /** What became of the last thing that was to be sent; null before the first. */
  lastDelivery: { at: Date; state: 'delivered' | 'retrying' | 'failed'; failure: string | null } | null
}

export interface AlertService {
  /** What is still so and the caller has not dismissed, newest first. Members see what concerns themselves and the balance. */
  list(principal: Principal): Promise<AlertView[]>
  /** For the caller alone. */
  dismiss(principal: Principal, alertId: string): Promise<void>
  getWebhook(principal: Principal): Promise<AlertWebhook | null>
  /** With the key that signs what is posted; the same as before unless it is to be another, or there was no webhook. */
  setWebhook(
    principal: Principal,
    input: { url: string; rotateSecret: boolean },
  ): Promise<{ webhook: AlertWebhook; secret: string }>
  removeWebhook(principal: Principal): Promise<void>
  /** Sends an alert that is none by every way there is. */
  test(principal: Principal): Promise<void>
}

export interface AlertServiceDeps {
  database: Database
  secret: RootSecret
  operators: Pick<Operators, 'isOperator'>
  webhooks: Pick<WebhookSender, 'refusalOf'>
}

const listedMax = 50

export function createAlertService(deps: AlertServiceDeps): AlertService {
  const { database } = deps
  const operates = async (principal: Principal): Promise<boolean> =>
    principal.kind === 'person' && (await deps.operators.isOperator(principal.userId))

  return {
    list: async (principal) => {
      requireScope(principal, 'credits:read')
      const own = await database.inTenant(principal.organizationId, (trx) => selectOwn(trx, principal))
      const operators = (await operates(principal))
        ? await database.asSystem((trx) => selectForOperators(trx, principal))
        : []
      return [...operators, ...own].map(viewOf)
    },

    dismiss: async (principal, alertId) => {
      requireScope(principal, 'credits:read')
      requirePerson(principal)
      const done = await database.inTenant(principal.organizationId, async (trx) => {
        const alert = (await selectOwn(trx, principal, alertId))[0]
        if (alert) await dismiss(trx, alert, principal.userId)
        return alert !== undefined
      })
      if (done) return
      if (!(await operates(principal))) throw notFound('no such alert')
      await database.asSystem(async (trx) => {
        const alert = (await selectForOperators(trx, principal, alertId))[0]
        if (!alert) throw notFound('no such alert')
        await dismiss(trx, alert, principal.userId)
      })
    },

    getWebhook: async (principal) => {
      requireScope(principal, 'credits:read')
      requireRole(principal, 'admin')
      return database.inTenant(principal.organizationId, findWebhook)
    },

    setWebhook: async (principal, { url, rotateSecret }) => {
      requireWrite(principal)
      const refusal = deps.webhooks.refusalOf(url)
      if (refusal !== undefined) throw invalid('url', refusal)
      const { organizationId, userId } = principal
      return database.inTenant(organizationId, async (trx) => {
        const newSecretId = newId()
        const { secret_id } = await trx
          .insertInto('alert_webhooks')
          .values({ organization_id: organizationId, url, updated_by: userId, secret_id: newSecretId })
          .onConflict((existing) =>
            existing.column('organization_id').doUpdateSet({
              url,
              updated_by: userId,
              updated_at: new Date(),
              ...(rotateSecret ? { secret_id: newSecretId } : {}),
            }),
          )
          .returning('secret_id')
          .executeTakeFirstOrThrow()
        return {
          // Written a moment ago.
          webhook: (await findWebhook(trx)) as AlertWebhook,
          secret: webhookSecret(deps.secret, organizationId, secret_id),
        }
      })
    },

    removeWebhook: async (principal) => {
      requireWrite(principal)
      await database.inTenant(principal.organizationId, (trx) =>
        trx.deleteFrom('alert_webhooks').where('organization_id', '=', principal.organizationId).execute(),
      )
    },

    test: async (principal) => {
      requireWrite(principal)
      const { organizationId } = principal
      await database.asSystem(async (trx) => {
        const key = `test:${organizationId}`
        await trx
          .updateTable('alerts')
          .set({ key: null })
          .where('key', '=', key)
          .where('created_at', '<', sql<Date>`now() - interval '1 minute'`)
          .execute()
        const raised = await raiseAlert(trx, {
          organizationId,
          kind: 'test',
          severity: 'info',
          title: 'A test of alerts',
          message: 'Nothing is wrong: somebody asked for this alert to see how alerts arrive.',
          key,
        })
        if (!raised)
          throw conflict('alert_tested', 'A test was sent within this minute. Wait a minute and try again.')
      })
    },
  }
}

function requireWrite(principal: Principal): void {
  requireScope(principal, 'credits:write')
  requireRole(principal, 'admin')
}

function selectAlerts(trx: Trx, userId: string, alertId?: string) {
  return (
    trx
      .selectFrom('alerts')
      .selectAll()
      .where('cleared_at', 'is', null)
      // A budget's alert is over with its period, a test soon.
      .where(sql<boolean>`coalesce((details->>'periodEnd')::timestamptz > now(), true)`)
      .where(sql<boolean>`(kind <> 'test' or created_at > now() - interval '1 hour')`)
      // Nothing is left to do about it, and it is in the list of payments.
      .where(sql<boolean>`(kind <> 'dispute_closed' or created_at > now() - interval '14 days')`)
      .where(({ not, exists, selectFrom }) =>
        not(
          exists(
            selectFrom('alert_dismissals')
              .select('alert_id')
              .whereRef('alert_dismissals.alert_id', '=', 'alerts.id')
              .where('alert_dismissals.user_id', '=', userId),
          ),
        ),
      )
      .$if(alertId !== undefined, (query) => query.where('id', '=', alertId as string))
      .orderBy('created_at', 'desc')
      .limit(listedMax)
  )
}

function selectOwn(trx: Trx, principal: Principal, alertId?: string): Promise<AlertRow[]> {
  return selectAlerts(trx, principal.userId, alertId)
    .where('organization_id', '=', principal.organizationId)
    .$if(principal.role === 'member', (query) =>
      query.where((where) =>
        where.or([
          where('user_id', '=', principal.userId),
          where('kind', 'in', ['balance_low', 'credits_exhausted']),
        ]),
      ),
    )
    .execute()
}

function selectForOperators(trx: Trx, principal: Principal, alertId?: string): Promise<AlertRow[]> {
  return selectAlerts(trx, principal.userId, alertId).where('organization_id', 'is', null).execute()
}

async function dismiss(trx: Trx, alert: AlertRow, userId: string): Promise<void> {
  await trx
    .insertInto('alert_dismissals')
    .values({ alert_id: alert.id, user_id: userId, organization_id: alert.organization_id })
    .onConflict((done) => done.doNothing())
    .execute()
}

async function findWebhook(trx: Trx): Promise<AlertWebhook | null> {
  const webhook = await trx.selectFrom('alert_webhooks').select('url').executeTakeFirst()
  if (!webhook) return null
  const last = await trx
    .selectFrom('alert_deliveries')
    .select(['created_at', 'delivered_at', 'next_attempt_at', 'failure'])
    .where('channel', '=', 'webhook')
    .orderBy('created_at', 'desc')
    .limit(1)
    .executeTakeFirst()
  return {
    url: webhook.url,
    lastDelivery: last
      ? {
          at: last.delivered_at ?? last.created_at,
          state: last.delivered_at ? 'delivered' : last.next_attempt_at ? 'retrying' : 'failed',
          failure: last.failure,
        }
      : null,
  }
}

function viewOf(alert: AlertRow): AlertView {
  return {
    id: alert.id,
    kind: alert.kind,
    severity: alert.severity,
    title: alert.title,
    message: alert.message,
    details: alert.details,
    forOperators: alert.organization_id === null,
    createdAt: alert.created_at,
  }
}
