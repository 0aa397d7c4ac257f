import { z } from 'zod'
import type { Authenticator } from '../../domain/accounts/principal.ts'
import { presets } from '../../domain/egress/presets.ts'
import type { EgressOf, EgressService } from '../../domain/egress/service.ts'
import { idSchema } from '../schemas/common.ts'
import {
  deniedDomainSchema,
  egressModeBodySchema,
  egressRuleBodySchema,
  egressSchema,
  presetSchema,
} from '../schemas/egress.ts'
import { errorResponses } from '../schemas/errors.ts'
import { bearerSecurity, requirePrincipal, type Server } from '../server.ts'
import { requirePrincipalOfPath } from './organizations.ts'

export interface EgressRouteDeps {
  authenticator: Authenticator
  egress: EgressService
}

const shared = { tags: ['egress'], security: bearerSecurity }
const answers = { 200: egressSchema, ...errorResponses(400, 401, 404, 409) }
/** Judged by the domain, after it is known that the caller may see what it is about. */
const textSchema = z.string().min(1).max(300)

export function registerEgressRoutes(app: Server, deps: EgressRouteDeps): void {
  registerListRoutes(app, deps, {
    path: '/api/orgs/:organizationId/egress',
    params: { organizationId: idSchema },
    what: 'an organization’s instances',
    onRequest: requirePrincipalOfPath(deps.authenticator),
    of: () => 'organization',
  })
  registerListRoutes(app, deps, {
    path: '/api/instances/:instanceId/egress',
    params: { instanceId: idSchema },
    what: 'an instance',
    onRequest: requirePrincipal(deps.authenticator),
    // The schema of this route's parameters says that it is there.
    of: (params) => ({ instanceId: params.instanceId as string }),
  })
  registerDeniedRoutes(app, deps)

  app.get(
    '/api/egress/presets',
    {
      onRequest: requirePrincipal(deps.authenticator),
      schema: {
        ...shared,
        summary: 'Domains that are wanted together, to be allowed at once',
        response: { 200: z.object({ presets: z.array(presetSchema) }), ...errorResponses(401, 404) },
      },
    },
    async () => ({ presets: presets.map((one) => ({ ...one, domains: [...one.domains] })) }),
  )
}

interface ListRoutes {
  path: string
  params: Record<string, typeof idSchema>
  what: string
  onRequest: ReturnType<typeof requirePrincipal> | ReturnType<typeof requirePrincipalOfPath>
  of(params: Record<string, string | undefined>): EgressOf
}

function registerListRoutes(app: Server, { egress }: EgressRouteDeps, list: ListRoutes): void {
  const { path, what, onRequest } = list
  const params = z.strictObject(list.params)

  app.get(
    path,
    { onRequest, schema: { ...shared, summary: `What ${what} may reach`, params, response: answers } },
    async (request) => egress.get(request.principal, list.of(request.params)),
  )

  app.put(
    path,
    {
      onRequest,
      schema: {
        ...shared,
        summary: `Set how ${what} may reach the outside`,
        params,
        body: egressModeBodySchema,
        response: answers,
      },
    },
    async (request) => egress.setMode(request.principal, list.of(request.params), request.body.mode),
  )

  app.put(
    `${path}/rules`,
    {
      onRequest,
      schema: {
        ...shared,
        summary: `Allow ${what} a domain`,
        params,
        body: egressRuleBodySchema,
        response: answers,
      },
    },
    async (request) => egress.putRule(request.principal, list.of(request.params), request.body),
  )

  app.delete(
    `${path}/rules/:domain`,
    {
      onRequest,
      schema: {
        ...shared,
        summary: `Allow ${what} a domain no longer; what is open to it is closed`,
        params: z.strictObject({ ...list.params, domain: textSchema }),
        response: answers,
      },
    },
    async (request) => {
      const { domain, ...rest } = request.params as Record<string, string>
      return egress.deleteRule(request.principal, list.of(rest), domain as string)
    },
  )

  app.post(
    `${path}/presets/:preset`,
    {
      onRequest,
      schema: {
        ...shared,
        summary: `Allow ${what} the domains of a preset`,
        params: z.strictObject({ ...list.params, preset: textSchema }),
        response: answers,
      },
    },
    async (request) => {
      const { preset, ...rest } = request.params as Record<string, string>
      return egress.applyPreset(request.principal, list.of(rest), preset as string)
    },
  )
}

function registerDeniedRoutes(app: Server, { authenticator, egress }: EgressRouteDeps): void {
  const onRequest = requirePrincipal(authenticator)
  const path = '/api/instances/:instanceId/egress/denied'

  app.get(
    path,
    {
      onRequest,
      schema: {
        ...shared,
        summary: 'What an instance was refused in the last 24 hours, the latest first',
        params: z.strictObject({ instanceId: idSchema }),
        response: {
          200: z.object({ denied: z.array(deniedDomainSchema) }),
          ...errorResponses(400, 401, 404),
        },
      },
    },
    async (request) => ({ denied: await egress.denied(request.principal, request.params.instanceId) }),
  )

  app.post(
    `${path}/:domain/allow`,
    {
      onRequest,
      schema: {
        ...shared,
        summary: 'Allow an instance a domain that it was refused, at the ports it asked for',
        params: z.strictObject({ instanceId: idSchema, domain: textSchema }),
        response: answers,
      },
    },
    async (request) =>
      egress.allowDenied(request.principal, request.params.instanceId, request.params.domain),
  )
}
