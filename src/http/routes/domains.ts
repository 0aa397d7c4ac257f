import { z } from 'zod'
import type { Authenticator } from '../../domain/accounts/principal.ts'
import type { DomainService } from '../../domain/domains/service.ts'
import { emptySchema, idSchema } from '../schemas/common.ts'
import { addDomainBodySchema, domainSchema, domainsSchema } from '../schemas/domains.ts'
import { errorResponses } from '../schemas/errors.ts'
import { bearerSecurity, requirePrincipal, type Server } from '../server.ts'

export interface DomainRoutesDeps {
  authenticator: Authenticator
  domains: DomainService
}

export function registerDomainRoutes(app: Server, { authenticator, domains }: DomainRoutesDeps): void {
  const onRequest = requirePrincipal(authenticator)
  const common = { tags: ['domains'], security: bearerSecurity }
  const params = z.strictObject({ instanceId: idSchema })
  const domainParams = params.extend({ domainId: idSchema })

  app.get(
    '/api/instances/:instanceId/domains',
    {
      onRequest,
      schema: {
        ...common,
        summary: 'Domains of an instance',
        params,
        response: { 200: domainsSchema, ...errorResponses(401, 404) },
      },
    },
    async (request) => ({ domains: await domains.list(request.principal, request.params.instanceId) }),
  )

  app.post(
    '/api/instances/:instanceId/domains',
    {
      onRequest,
      schema: {
        ...common,
        summary: 'Add a domain',
        description: 'Answers the records to set at the DNS. It leads to the instance once they are found.',
        params,
        body: addDomainBodySchema,
        response: { 201: domainSchema, ...errorResponses(400, 401, 404, 409, 413) },
      },
    },
    async (request, reply) =>
      reply
        .status(201)
        .send(await domains.add(request.principal, request.params.instanceId, request.body.domain)),
  )

  app.post(
    '/api/instances/:instanceId/domains/:domainId/check',
    {
      onRequest,
      schema: {
        ...common,
        summary: 'Look the records of a domain up now',
        params: domainParams,
        response: { 200: domainSchema, ...errorResponses(401, 404, 429) },
      },
    },
    async (request) => domains.check(request.principal, request.params.instanceId, request.params.domainId),
  )

  app.delete(
    '/api/instances/:instanceId/domains/:domainId',
    {
      onRequest,
      schema: {
        ...common,
        summary: 'Remove a domain',
        params: domainParams,
        response: { 200: emptySchema, ...errorResponses(401, 404) },
      },
    },
    async (request) => {
      await domains.remove(request.principal, request.params.instanceId, request.params.domainId)
      return {}
    },
  )
}
