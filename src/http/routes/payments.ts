import { z } from 'zod'
import type { Authenticator } from '../../domain/accounts/principal.ts'
import type { PaymentService } from '../../domain/payments/service.ts'
import { createLimiter } from '../limiter.ts'
import { idSchema } from '../schemas/common.ts'
import { errorResponses } from '../schemas/errors.ts'
import {
  autoTopUpBodySchema,
  autoTopUpSchema,
  checkoutBodySchema,
  checkoutSchema,
  paymentSchema,
  paymentsSchema,
  portalSchema,
} from '../schemas/payments.ts'
import { bearerSecurity, requirePrincipal, type Server } from '../server.ts'

export interface PaymentRoutesDeps {
  authenticator: Authenticator
  payments: PaymentService
}

/** Each asks Stripe for a page. Purchases are counted where they are written. */
const portalsPerHourMax = 60

export function registerPaymentRoutes(app: Server, { authenticator, payments }: PaymentRoutesDeps): void {
  const onRequest = requirePrincipal(authenticator)
  const limitPortals = createLimiter({
    timesMax: portalsPerHourMax,
    seconds: 3600,
    message: 'The portal was opened too often within an hour. Use the page that is open, or try again later.',
  })
  const common = { tags: ['payments'], security: bearerSecurity }

  app.get(
    '/api/payments',
    {
      onRequest,
      schema: {
        ...common,
        summary: 'What is sold, the saved card, auto top-up, and what was bought',
        response: { 200: paymentsSchema, ...errorResponses(401, 404) },
      },
    },
    async ({ principal }) => {
      const overview = await payments.overview(principal)
      return { ...overview, packs: [...overview.packs] }
    },
  )

  app.get(
    '/api/payments/:paymentId',
    {
      onRequest,
      schema: {
        ...common,
        summary: 'One payment, as Stripe knows it now (owners and admins)',
        params: z.strictObject({ paymentId: idSchema }),
        response: { 200: paymentSchema, ...errorResponses(400, 401, 404) },
      },
    },
    async ({ principal, params }) => payments.get(principal, params.paymentId),
  )

  app.post(
    '/api/payments/checkout',
    {
      onRequest,
      schema: {
        ...common,
        summary: 'Begin to buy a pack: answers the page where it is paid (owners and admins)',
        body: checkoutBodySchema,
        response: {
          201: checkoutSchema,
          ...errorResponses(400, 401, 404, 409, 413, 429, 502, 503),
        },
      },
    },
    async ({ principal, body }, reply) => reply.status(201).send(await payments.checkout(principal, body)),
  )

  app.post(
    '/api/payments/portal',
    {
      onRequest,
      schema: {
        ...common,
        summary: 'Open Stripe’s page for cards and receipts (owners and admins)',
        response: { 201: portalSchema, ...errorResponses(401, 404, 409, 429, 502, 503) },
      },
    },
    async ({ principal }, reply) => {
      await limitPortals(principal.organizationId)
      return reply.status(201).send(await payments.portal(principal))
    },
  )

  app.put(
    '/api/payments/auto-top-up',
    {
      onRequest,
      schema: {
        ...common,
        summary: 'Buy a pack with the saved card whenever credits run low (owners and admins)',
        body: autoTopUpBodySchema,
        response: { 200: autoTopUpSchema, ...errorResponses(400, 401, 404, 409, 413) },
      },
    },
    async ({ principal, body }) => payments.setAutoTopUp(principal, body),
  )
}
