import { z } from 'zod'
import type { Authenticator } from '../../domain/accounts/principal.ts'
import type { AlertService, AlertView, AlertWebhook } from '../../domain/credits/alert-service.ts'
import {
  type alertSchema,
  alertsSchema,
  alertWebhookAnswerSchema,
  alertWebhookBodySchema,
  type alertWebhookSchema,
  savedAlertWebhookSchema,
} from '../schemas/alerts.ts'
import { emptySchema, idSchema } from '../schemas/common.ts'
import { errorResponses } from '../schemas/errors.ts'
import { bearerSecurity, requirePrincipal, type Server } from '../server.ts'

export interface AlertRouteDeps {
  authenticator: Authenticator
  alerts: AlertService
  /** Whether alerts go out by mail too. */
  mail: boolean
}

const shared = { tags: ['credits'], security: bearerSecurity }

export function registerAlertRoutes(app: Server, deps: AlertRouteDeps): void {
  const { alerts } = deps
  const onRequest = requirePrincipal(deps.authenticator)

  app.get(
    '/api/alerts',
    {
      onRequest,
      schema: {
        ...shared,
        summary: 'What the caller should know and has not dismissed, newest first',
        response: { 200: alertsSchema, ...errorResponses(401, 404) },
      },
    },
    async ({ principal }) => ({ alerts: (await alerts.list(principal)).map(alertBody), mail: deps.mail }),
  )

  app.post(
    '/api/alerts/:alertId/dismiss',
    {
      onRequest,
      schema: {
        ...shared,
        summary: 'Show an alert to the caller no more',
        params: z.strictObject({ alertId: idSchema }),
        response: { 200: emptySchema, ...errorResponses(400, 401, 404) },
      },
    },
    async ({ principal, params }) => {
      await alerts.dismiss(principal, params.alertId)
      return {}
    },
  )

  registerWebhookRoutes(app, deps, onRequest)
}

const webhookPath = '/api/credits/alert-webhook'

function registerWebhookRoutes(
  app: Server,
  { alerts }: AlertRouteDeps,
  onRequest: ReturnType<typeof requirePrincipal>,
): void {
  app.get(
    webhookPath,
    {
      onRequest,
      schema: {
        ...shared,
        summary: 'Where alerts are posted to (owners and admins)',
        response: { 200: alertWebhookAnswerSchema, ...errorResponses(401, 404) },
      },
    },
    async ({ principal }) => {
      const webhook = await alerts.getWebhook(principal)
      return { webhook: webhook && webhookBody(webhook) }
    },
  )

  app.put(
    webhookPath,
    {
      onRequest,
      schema: {
        ...shared,
        summary: 'Have alerts posted to a URL, signed',
        body: alertWebhookBodySchema,
        response: { 200: savedAlertWebhookSchema, ...errorResponses(400, 401, 404) },
      },
    },
    async ({ principal, body }, reply) => {
      const { webhook, secret } = await alerts.setWebhook(principal, body)
      reply.header('cache-control', 'no-store')
      return { webhook: webhookBody(webhook), secret }
    },
  )

  app.delete(
    webhookPath,
    {
      onRequest,
      schema: {
        ...shared,
        summary: 'Have alerts posted nowhere',
        response: { 200: emptySchema, ...errorResponses(401, 404) },
      },
    },
    async ({ principal }) => {
      await alerts.removeWebhook(principal)
      return {}
    },
  )

  app.post(
    `${webhookPath}/test`,
    {
      onRequest,
      schema: {
        ...shared,
        summary: 'Send an alert that is none, by every way there is',
        response: { 200: emptySchema, ...errorResponses(401, 404, 409) },
      },
    },
    async ({ principal }) => {
      await alerts.test(principal)
      return {}
    },
  )
}

function alertBody(alert: AlertView): z.infer<typeof alertSchema> {
  return { ...alert, createdAt: alert.createdAt.toISOString() }
}

function webhookBody({ url, lastDelivery }: AlertWebhook): z.infer<typeof alertWebhookSchema> {
  return { url, lastDelivery: lastDelivery && { ...lastDelivery, at: lastDelivery.at.toISOString() } }
}
