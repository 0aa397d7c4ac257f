import type { Authenticator } from '../../domain/accounts/principal.ts'
import type { Hosts } from '../../domain/hosts/hosts.ts'
import type { Operators } from '../../domain/operators/operators.ts'
import { errorResponses } from '../schemas/errors.ts'
import { hostParamsSchema, hostStateBodySchema, hostStateSchema } from '../schemas/hosts.ts'
import { bearerSecurity, requirePrincipal, type Server } from '../server.ts'

export interface HostRouteDeps {
  authenticator: Authenticator
  operators: Operators
  hosts: Hosts
}

/** For operators only, like all of `/api/admin`. */
export function registerHostRoutes(app: Server, deps: HostRouteDeps): void {
  app.put(
    '/api/admin/hosts/:hostName',
    {
      onRequest: requirePrincipal(deps.authenticator),
      schema: {
        tags: ['admin'],
        security: bearerSecurity,
        summary: 'Drain a host, or let it take new instances again',
        params: hostParamsSchema,
        body: hostStateBodySchema,
        response: { 200: hostStateSchema, ...errorResponses(400, 401, 404, 503) },
      },
    },
    async ({ principal, params, body }) => {
      await deps.operators.requireOperator(principal)
      const { name, state } = await deps.hosts.setState(params.hostName, body.state)
      return { name, state }
    },
  )
}
