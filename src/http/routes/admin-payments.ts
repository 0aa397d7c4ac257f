import { z } from 'zod'
import type { Authenticator } from '../../domain/accounts/principal.ts'
import type { Operators } from '../../domain/operators/operators.ts'
import type {
  OperatorPaymentFilter,
  OperatorPaymentPage,
  OperatorPaymentPlace,
} from '../../domain/payments/operator-list.ts'
import { type Payment, toPayment } from '../../domain/payments/payment.ts'
import type { Reconciler } from '../../domain/payments/reconcile.ts'
import type { Reconciliation } from '../../domain/payments/reconciliations.ts'
import type { Refunds } from '../../domain/payments/refunds.ts'
import { conflict } from '../../errors.ts'
import { idSchema } from '../schemas/common.ts'
import { errorResponses } from '../schemas/errors.ts'
import {
  adminPaymentsQuerySchema,
  adminPaymentsSchema,
  paymentSchema,
  reconciliationSchema,
  reconciliationsSchema,
  refundBodySchema,
} from '../schemas/payments.ts'
import { bearerSecurity, requirePrincipal, type Server } from '../server.ts'

export interface AdminPaymentRouteDeps {
  authenticator: Authenticator
  operators: Operators
  listPayments(filter: OperatorPaymentFilter, place: OperatorPaymentPlace): Promise<OperatorPaymentPage>
  listReconciliations(): Promise<Reconciliation[]>
  /** Null: nothing is sold here. */
  selling: { refunds: Refunds; reconciler: Reconciler } | null
}

/** For operators only; anybody else gets the 404 of a path that does not exist. */
export function registerAdminPaymentRoutes(app: Server, deps: AdminPaymentRouteDeps): void {
  const { operators } = deps
  const onRequest = requirePrincipal(deps.authenticator)
  const shared = { tags: ['admin'], security: bearerSecurity }
  const selling = () => {
    if (!deps.selling)
      throw conflict('payments_not_set_up', 'This Reef sells no credits. Set STRIPE_SECRET_KEY to sell them.')
    return deps.selling
  }

  app.get(
    '/api/admin/payments',
    {
      onRequest,
      schema: {
        ...shared,
        summary: 'Payments of all organizations, or those that are searched for',
        querystring: adminPaymentsQuerySchema,
        response: { 200: adminPaymentsSchema, ...errorResponses(400, 401, 404) },
      },
    },
    async ({ principal, query }) => {
      await operators.requireOperator(principal)
      const { cursor, limit, ...filter } = query
      const page = await deps.listPayments(
        { ...filter, disputed: filter.disputed === 'true' },
        { cursor, limit },
      )
      return { sells: deps.selling !== null, ...page }
    },
  )

  app.post(
    '/api/admin/payments/:paymentId/refund',
    {
      onRequest,
      schema: {
        ...shared,
        summary: 'Give money back: for unused credits, or with `force` for used ones too',
        params: z.strictObject({ paymentId: idSchema }),
        body: refundBodySchema,
        response: { 200: paymentSchema, ...errorResponses(400, 401, 404, 409, 413, 502, 503) },
      },
    },
    async ({ principal, params, body }): Promise<Payment> => {
      await operators.requireOperator(principal)
      return toPayment(
        await selling().refunds.refund(params.paymentId, { ...body, operatorUserId: principal.userId }),
      )
    },
  )

  app.get(
    '/api/admin/payments/reconciliations',
    {
      onRequest,
      schema: {
        ...shared,
        summary: 'The last comparisons with Stripe’s lists, and what they found',
        response: { 200: reconciliationsSchema, ...errorResponses(401, 404) },
      },
    },
    async ({ principal }) => {
      await operators.requireOperator(principal)
      return { sells: deps.selling !== null, reconciliations: await deps.listReconciliations() }
    },
  )

  app.post(
    '/api/admin/payments/reconcile',
    {
      onRequest,
      schema: {
        ...shared,
        summary: 'Compare Stripe’s lists with what is known here, and post what is missing',
        response: { 200: reconciliationSchema, ...errorResponses(401, 404, 409, 502, 503) },
      },
    },
    async ({ principal }) => {
      await operators.requireOperator(principal)
      return selling().reconciler.run()
    },
  )
}
