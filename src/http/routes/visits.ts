import { z } from 'zod'
import type { Authenticator } from '../../domain/accounts/principal.ts'
import type { Visits } from '../../proxy/visits.ts'
import { errorBodySchema } from '../errors.ts'
import { idSchema } from '../schemas/common.ts'
import { visitSchema } from '../schemas/instances.ts'
import { bearerSecurity, requirePrincipal, type Server } from '../server.ts'

export interface VisitRoutesDeps {
  authenticator: Authenticator
  visits: Visits
}

export function registerVisitRoutes(app: Server, deps: VisitRoutesDeps): void {
  app.post(
    '/api/instances/:instanceId/visit',
    {
      onRequest: requirePrincipal(deps.authenticator),
      schema: {
        tags: ['instances'],
        summary: 'Open the Control UI',
        description: 'Answers a one-time URL that signs the caller in at the instance’s own address.',
        security: bearerSecurity,
        params: z.strictObject({ instanceId: idSchema }),
        body: z
          .strictObject({ domain: z.string().optional().describe('A verified domain of the instance.') })
          .nullish(),
        response: { 200: visitSchema, 400: errorBodySchema, 401: errorBodySchema, 404: errorBodySchema },
      },
    },
    async (request) => deps.visits.create(request.principal, request.params.instanceId, request.body?.domain),
  )
}
