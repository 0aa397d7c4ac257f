import { z } from 'zod'
import type { ApiKey, ApiKeys } from '../../domain/accounts/api-keys.ts'
import type { Authenticator } from '../../domain/accounts/principal.ts'
import { apiKeySchema, createApiKeyBodySchema, newApiKeySchema } from '../schemas/accounts.ts'
import { emptySchema, idSchema } from '../schemas/common.ts'
import { errorResponses } from '../schemas/errors.ts'
import { bearerSecurity, requirePrincipal, type Server } from '../server.ts'

export interface ApiKeyRouteDeps {
  authenticator: Authenticator
  apiKeys: ApiKeys
}

export function registerApiKeyRoutes(app: Server, deps: ApiKeyRouteDeps): void {
  const onRequest = requirePrincipal(deps.authenticator)
  const shared = { tags: ['api-keys'], security: bearerSecurity }

  app.get(
    '/api/api-keys',
    {
      onRequest,
      schema: {
        ...shared,
        summary: 'API keys of the organization acted in: the caller’s own, or all for owners and admins',
        response: { 200: z.object({ apiKeys: z.array(apiKeySchema) }), ...errorResponses(401, 404) },
      },
    },
    async (request) => ({ apiKeys: (await deps.apiKeys.list(request.principal)).map(apiKeyBody) }),
  )

  app.post(
    '/api/api-keys',
    {
      onRequest,
      schema: {
        ...shared,
        summary: 'Make an API key; it is shown this once',
        body: createApiKeyBodySchema,
        response: { 201: newApiKeySchema, ...errorResponses(400, 401, 404, 413) },
      },
    },
    async (request, reply) => {
      const { apiKey, key } = await deps.apiKeys.create(request.principal, request.body)
      return reply
        .status(201)
        .header('cache-control', 'no-store')
        .send({ ...apiKeyBody(apiKey), key })
    },
  )

  app.delete(
    '/api/api-keys/:apiKeyId',
    {
      onRequest,
      schema: {
        ...shared,
        summary: 'Revoke an API key; it stops working everywhere within a second',
        params: z.object({ apiKeyId: idSchema }),
        response: { 200: emptySchema, ...errorResponses(400, 401, 404) },
      },
    },
    async (request) => {
      await deps.apiKeys.revoke(request.principal, request.params.apiKeyId)
      return {}
    },
  )
}

function apiKeyBody(apiKey: ApiKey): z.infer<typeof apiKeySchema> {
  return {
    ...apiKey,
    createdAt: apiKey.createdAt.toISOString(),
    expiresAt: apiKey.expiresAt?.toISOString() ?? null,
    lastUsedAt: apiKey.lastUsedAt?.toISOString() ?? null,
  }
}
