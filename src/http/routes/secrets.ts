import { z } from 'zod'
import type { Authenticator } from '../../domain/accounts/principal.ts'
import type { SecretService } from '../../domain/secrets/service.ts'
import { emptySchema, idSchema } from '../schemas/common.ts'
import { errorResponses } from '../schemas/errors.ts'
import {
  instanceSecretBodySchema,
  organizationSecretBodySchema,
  secretEventsSchema,
  secretNameSchema,
  secretSchema,
  secretsSchema,
} from '../schemas/secrets.ts'
import { bearerSecurity, requirePrincipal, type Server } from '../server.ts'
import { requirePrincipalOfPath } from './organizations.ts'

export interface SecretRoutesDeps {
  authenticator: Authenticator
  secrets: SecretService
}

export function registerSecretRoutes(app: Server, deps: SecretRoutesDeps): void {
  registerOrganizationSecrets(app, deps)
  registerInstanceSecrets(app, deps)
}

function registerOrganizationSecrets(app: Server, { authenticator, secrets }: SecretRoutesDeps): void {
  const onRequest = requirePrincipalOfPath(authenticator)
  const common = { tags: ['secrets'], security: bearerSecurity }
  const params = z.strictObject({ organizationId: idSchema })
  const namedParams = params.extend({ secretName: secretNameSchema })

  app.get(
    '/api/orgs/:organizationId/secrets',
    {
      onRequest,
      schema: {
        ...common,
        summary: 'Secrets of the organization, for all of its instances',
        params,
        response: { 200: secretsSchema, ...errorResponses(401, 404) },
      },
    },
    async (request) => ({ secrets: await secrets.listOfOrganization(request.principal) }),
  )

  app.put(
    '/api/orgs/:organizationId/secrets/:secretName',
    {
      onRequest,
      schema: {
        ...common,
        summary: 'Make a secret of the organization, or give it a new value',
        params: namedParams,
        body: organizationSecretBodySchema,
        response: { 200: secretSchema, ...errorResponses(400, 401, 404, 409, 413) },
      },
    },
    async (request) =>
      secrets.set(request.principal, { scope: 'organization' }, request.params.secretName, request.body),
  )

  app.delete(
    '/api/orgs/:organizationId/secrets/:secretName',
    {
      onRequest,
      schema: {
        ...common,
        summary: 'Remove a secret of the organization',
        params: namedParams,
        response: { 200: emptySchema, ...errorResponses(401, 404) },
      },
    },
    async (request) => {
      await secrets.remove(request.principal, { scope: 'organization' }, request.params.secretName)
      return {}
    },
  )

  app.get(
    '/api/orgs/:organizationId/secrets/audit',
    {
      onRequest,
      schema: {
        ...common,
        summary: 'What was done with secrets anywhere in the organization, newest first',
        params,
        response: { 200: secretEventsSchema, ...errorResponses(401, 404) },
      },
    },
    async (request) => ({ events: await secrets.audit(request.principal, null) }),
  )
}

function registerInstanceSecrets(app: Server, { authenticator, secrets }: SecretRoutesDeps): void {
  const onRequest = requirePrincipal(authenticator)
  const common = { tags: ['secrets'], security: bearerSecurity }
  const params = z.strictObject({ instanceId: idSchema })
  const namedParams = z.strictObject({ instanceId: idSchema, secretName: secretNameSchema })

  app.get(
    '/api/instances/:instanceId/secrets',
    {
      onRequest,
      schema: {
        ...common,
        summary: 'All secrets that reach an instance',
        params,
        response: { 200: secretsSchema, ...errorResponses(401, 404) },
      },
    },
    async (request) => ({
      secrets: await secrets.listOfInstance(request.principal, request.params.instanceId),
    }),
  )

  app.put(
    '/api/instances/:instanceId/secrets/:secretName',
    {
      onRequest,
      schema: {
        ...common,
        summary: 'Make a secret of an instance or of its open session, or give it a new value',
        params: namedParams,
        body: instanceSecretBodySchema,
        response: { 200: secretSchema, ...errorResponses(400, 401, 404, 409, 413) },
      },
    },
    async (request) => {
      const { instanceId, secretName } = request.params
      const { scope, ...change } = request.body
      return secrets.set(request.principal, { scope, instanceId }, secretName, change)
    },
  )

  app.delete(
    '/api/instances/:instanceId/secrets/:secretName',
    {
      onRequest,
      schema: {
        ...common,
        summary: 'Remove a secret of an instance or of its open session',
        params: namedParams,
        querystring: z.strictObject({ scope: z.enum(['instance', 'session']).default('instance') }),
        response: { 200: emptySchema, ...errorResponses(401, 404, 409) },
      },
    },
    async (request) => {
      const { instanceId, secretName } = request.params
      await secrets.remove(request.principal, { scope: request.query.scope, instanceId }, secretName)
      return {}
    },
  )

  app.get(
    '/api/instances/:instanceId/secrets/audit',
    {
      onRequest,
      schema: {
        ...common,
        summary: 'What was done with an instance’s secrets, and when it was given them, newest first',
        params,
        response: { 200: secretEventsSchema, ...errorResponses(401, 404) },
      },
    },
    async (request) => ({
      events: await secrets.audit(request.principal, request.params.instanceId),
    }),
  )
}
