import { z } from 'zod'
import type { Authenticator } from '../../domain/accounts/principal.ts'
import type { Operator, Operators } from '../../domain/operators/operators.ts'
import type { Overviews } from '../../domain/operators/overview.ts'
import { appointBodySchema, operatorsSchema, overviewSchema } from '../schemas/admin.ts'
import { idSchema } from '../schemas/common.ts'
import { errorResponses } from '../schemas/errors.ts'
import { bearerSecurity, requirePrincipal, type Server } from '../server.ts'

export interface AdminRouteDeps {
  authenticator: Authenticator
  operators: Operators
  overviews: Overviews
}

/** For operators only; anybody else gets the 404 of a path that does not exist. */
export function registerAdminRoutes(app: Server, deps: AdminRouteDeps): void {
  const { operators } = deps
  const onRequest = requirePrincipal(deps.authenticator)
  const shared = { tags: ['admin'], security: bearerSecurity }

  app.get(
    '/api/admin/overview',
    {
      onRequest,
      schema: {
        ...shared,
        summary: 'Hosts, pool, capacity, queue and problems of this Reef',
        response: { 200: overviewSchema, ...errorResponses(401, 404) },
      },
    },
    async ({ principal }) => {
      await operators.requireOperator(principal)
      const overview = await deps.overviews.get()
      return {
        ...overview,
        controlPlanes: overview.controlPlanes.map((node) => ({
          ...node,
          startedAt: node.startedAt.toISOString(),
          heartbeatAt: node.heartbeatAt.toISOString(),
        })),
        queue: overview.queue.map((entry) => ({ ...entry, waitingSince: entry.waitingSince.toISOString() })),
        problems: overview.problems.map((problem) => ({ ...problem, since: problem.since.toISOString() })),
      }
    },
  )

  app.get(
    '/api/admin/operators',
    {
      onRequest,
      schema: {
        ...shared,
        summary: 'Who operates this Reef',
        response: { 200: operatorsSchema, ...errorResponses(401, 404) },
      },
    },
    async ({ principal }) => {
      await operators.requireOperator(principal)
      return operatorsBody(await operators.list())
    },
  )

  app.post(
    '/api/admin/operators',
    {
      onRequest,
      schema: {
        ...shared,
        summary: 'Appoint somebody who has signed up',
        body: appointBodySchema,
        response: { 200: operatorsSchema, ...errorResponses(400, 401, 404) },
      },
    },
    async ({ principal, body }) => {
      await operators.requireOperator(principal)
      return operatorsBody(await operators.appoint(principal, body.email))
    },
  )

  app.delete(
    '/api/admin/operators/:userId',
    {
      onRequest,
      schema: {
        ...shared,
        summary: 'Dismiss an operator; the last one stays',
        params: z.strictObject({ userId: idSchema }),
        response: { 200: operatorsSchema, ...errorResponses(400, 401, 404, 409) },
      },
    },
    async ({ principal, params }) => {
      await operators.requireOperator(principal)
      return operatorsBody(await operators.dismiss(params.userId))
    },
  )
}

function operatorsBody(operators: Operator[]): z.infer<typeof operatorsSchema> {
  return {
    operators: operators.map((operator) => ({
      ...operator,
      appointedAt: operator.appointedAt.toISOString(),
    })),
  }
}
