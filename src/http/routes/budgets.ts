import { z } from 'zod'
import type { Authenticator } from '../../domain/accounts/principal.ts'
import type { BudgetService, BudgetView } from '../../domain/credits/budget-service.ts'
import { createLimiter } from '../limiter.ts'
import {
  budgetLimitBodySchema,
  budgetSchema,
  budgetsSchema,
  newBudgetBodySchema,
} from '../schemas/budgets.ts'
import { emptySchema, idSchema } from '../schemas/common.ts'
import { errorResponses } from '../schemas/errors.ts'
import { bearerSecurity, requirePrincipal, type Server } from '../server.ts'

export interface BudgetRouteDeps {
  authenticator: Authenticator
  budgets: BudgetService
}

const path = '/api/credits/budgets'
/** Each makes whoever spends wait while it adds up what was spent, other organizations too. */
const changesPerMinuteMax = 60

export function registerBudgetRoutes(app: Server, { authenticator, budgets }: BudgetRouteDeps): void {
  const onRequest = requirePrincipal(authenticator)
  const shared = { tags: ['credits'], security: bearerSecurity }
  const params = z.strictObject({ budgetId: idSchema })
  const limitChanges = createLimiter({
    timesMax: changesPerMinuteMax,
    seconds: 60,
    message: 'Budgets were changed too often within a minute. Wait a moment.',
  })

  app.get(
    path,
    {
      onRequest,
      schema: {
        ...shared,
        summary: 'Budgets and what was spent of them (owners and admins)',
        response: { 200: budgetsSchema, ...errorResponses(401, 404) },
      },
    },
    async ({ principal }) => ({ budgets: (await budgets.list(principal)).map(budgetBody) }),
  )

  app.post(
    path,
    {
      onRequest,
      schema: {
        ...shared,
        summary:
          'Limit what the organization, a member, an instance or an agent may spend in a day or a month',
        body: newBudgetBodySchema,
        response: { 201: budgetSchema, ...errorResponses(400, 401, 404, 409, 429) },
      },
    },
    async ({ principal, body }, reply) => {
      await limitChanges(principal.organizationId)
      const { limitMicros: limit, ...input } = body
      return reply.status(201).send(budgetBody(await budgets.create(principal, { ...input, limit })))
    },
  )

  app.put(
    `${path}/:budgetId`,
    {
      onRequest,
      schema: {
        ...shared,
        summary: 'Change a budget’s limit; what it held back goes on if there is room again',
        params,
        body: budgetLimitBodySchema,
        response: { 200: budgetSchema, ...errorResponses(400, 401, 404, 429) },
      },
    },
    async ({ principal, params, body }) => {
      await limitChanges(principal.organizationId)
      return budgetBody(await budgets.setLimit(principal, params.budgetId, body.limitMicros))
    },
  )

  app.delete(
    `${path}/:budgetId`,
    {
      onRequest,
      schema: {
        ...shared,
        summary: 'Delete a budget',
        params,
        response: { 200: emptySchema, ...errorResponses(400, 401, 404, 429) },
      },
    },
    async ({ principal, params }) => {
      await limitChanges(principal.organizationId)
      await budgets.remove(principal, params.budgetId)
      return {}
    },
  )
}

function budgetBody(budget: BudgetView): z.infer<typeof budgetSchema> {
  return {
    id: budget.id,
    scope: budget.scope,
    subjectId: budget.subjectId,
    subjectName: budget.subjectName,
    period: budget.period,
    limitMicros: budget.limit,
    spentMicros: budget.spent,
    reservedMicros: budget.reserved,
    periodStart: budget.periodStart.toISOString(),
    periodEnd: budget.periodEnd.toISOString(),
    createdAt: budget.createdAt.toISOString(),
  }
}
