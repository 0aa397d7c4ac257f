import { z } from 'zod'
import { type Authenticator, type Principal, requireScope } from '../../domain/accounts/principal.ts'
import type { Instance } from '../../domain/instances/instance.ts'
import type { InstanceService } from '../../domain/instances/service.ts'
import { idSchema } from '../schemas/common.ts'
import { errorResponses } from '../schemas/errors.ts'
import { instanceSchema, logLineSchema, provisionBodySchema, sampleSchema } from '../schemas/instances.ts'
import { bearerSecurity, requirePrincipal, type Server } from '../server.ts'

export interface InstanceRouteDeps {
  authenticator: Authenticator
  instances: InstanceService
  logs: InstanceLogs
}

/** The last lines that a slot's supervisor sent over its link, oldest first. */
interface InstanceLogs {
  tail(
    slotId: string,
    linesMax: number,
  ): z.infer<typeof logLineSchema>[] | Promise<z.infer<typeof logLineSchema>[]>
}

const params = z.strictObject({ instanceId: idSchema })

export function registerInstanceRoutes(app: Server, deps: InstanceRouteDeps): void {
  registerOwnInstanceRoutes(app, deps)
  registerActionRoutes(app, deps)
  registerReadRoutes(app, deps)
}

/** The short forms, for the caller's own instance in the organization they act in. */
function registerOwnInstanceRoutes(app: Server, { authenticator, instances }: InstanceRouteDeps): void {
  const onRequest = requirePrincipal(authenticator)
  const shared = { tags: ['instances'], security: bearerSecurity }
  const accepted = { 202: instanceSchema, ...errorResponses(401, 402, 404, 409) }

  app.post(
    '/api/provision',
    {
      onRequest,
      // The body may be left out altogether.
      preValidation: async (request) => {
        request.body ??= {}
      },
      schema: {
        ...shared,
        summary: 'Get my own OpenClaw: made if there is none, started if it does not run',
        body: provisionBodySchema,
        response: { ...accepted, ...errorResponses(400) },
      },
    },
    async (request, reply) => {
      requireScope(request.principal, 'instances:write')
      return reply.status(202).send(await instances.provision(request.principal, request.body))
    },
  )

  app.delete(
    '/api/deprovision',
    { onRequest, schema: { ...shared, summary: 'Delete my instance and its state', response: accepted } },
    async ({ principal }, reply) => {
      requireScope(principal, 'instances:write')
      const own = await instances.getOwn(principal)
      return reply.status(202).send(await instances.deprovision(principal, own.id))
    },
  )

  app.post(
    '/api/restart',
    { onRequest, schema: { ...shared, summary: 'Restart my instance', response: accepted } },
    async ({ principal }, reply) => {
      requireScope(principal, 'instances:write')
      const own = await instances.getOwn(principal)
      return reply.status(202).send(await instances.restart(principal, own.id))
    },
  )

  app.get(
    '/api/status',
    {
      onRequest,
      schema: {
        ...shared,
        summary: 'My instance',
        response: { 200: instanceSchema, ...errorResponses(401, 404) },
      },
    },
    async ({ principal }) => {
      requireScope(principal, 'instances:read')
      return instances.getOwn(principal)
    },
  )
}

function registerActionRoutes(app: Server, { authenticator, instances }: InstanceRouteDeps): void {
  const register = (
    method: 'POST' | 'DELETE',
    path: string,
    summary: string,
    act: (principal: Principal, instanceId: string) => Promise<Instance>,
  ): void => {
    app.route({
      method,
      url: path,
      onRequest: requirePrincipal(authenticator),
      schema: {
        tags: ['instances'],
        security: bearerSecurity,
        summary,
        params,
        response: { 202: instanceSchema, ...errorResponses(400, 401, 402, 404, 409) },
      },
      handler: async (request, reply) => {
        requireScope(request.principal, 'instances:write')
        return reply.status(202).send(await act(request.principal, request.params.instanceId))
      },
    })
  }
  register(
    'POST',
    '/api/instances/:instanceId/upgrade',
    'Back it up and upgrade it to the newest software; rolled back by itself if it does not become healthy',
    instances.upgrade,
  )
  register('POST', '/api/instances/:instanceId/start', 'Start or wake it', instances.start)
  register(
    'POST',
    '/api/instances/:instanceId/suspend',
    'Let it sleep until somebody needs it',
    instances.suspend,
  )
  register('POST', '/api/instances/:instanceId/stop', 'Stop it and keep its state', instances.stop)
  register('POST', '/api/instances/:instanceId/restart', 'Restart its OpenClaw', instances.restart)
  register('DELETE', '/api/instances/:instanceId', 'Delete it and its state', instances.deprovision)
}

function registerReadRoutes(app: Server, { authenticator, instances, logs }: InstanceRouteDeps): void {
  const onRequest = requirePrincipal(authenticator)
  const shared = { tags: ['instances'], security: bearerSecurity }

  app.get(
    '/api/instances',
    {
      onRequest,
      schema: {
        ...shared,
        summary: 'Instances of the organization that the caller may see',
        response: { 200: z.object({ instances: z.array(instanceSchema) }), ...errorResponses(401, 404) },
      },
    },
    async ({ principal }) => {
      requireScope(principal, 'instances:read')
      return { instances: await instances.list(principal) }
    },
  )

  app.get(
    '/api/instances/:instanceId',
    {
      onRequest,
      schema: {
        ...shared,
        summary: 'An instance',
        params,
        response: { 200: instanceSchema, ...errorResponses(400, 401, 404) },
      },
    },
    async (request) => {
      requireScope(request.principal, 'instances:read')
      return instances.get(request.principal, request.params.instanceId)
    },
  )

  app.get(
    '/api/instances/:instanceId/logs',
    {
      onRequest,
      schema: {
        ...shared,
        summary: 'Its last log lines, oldest first',
        params,
        querystring: z.strictObject({ tail: z.coerce.number().int().min(1).max(2000).default(200) }),
        response: { 200: z.object({ lines: z.array(logLineSchema) }), ...errorResponses(400, 401, 404) },
      },
    },
    async (request) => {
      requireScope(request.principal, 'instances:read')
      const slotId = await instances.findSlotId(request.principal, request.params.instanceId)
      return { lines: slotId === null ? [] : await logs.tail(slotId, request.query.tail) }
    },
  )

  app.get(
    '/api/instances/:instanceId/samples',
    {
      onRequest,
      schema: {
        ...shared,
        summary: 'Its memory and CPU over the last minutes',
        params,
        querystring: z.strictObject({ minutes: z.coerce.number().int().min(1).max(1440).default(60) }),
        response: { 200: z.object({ samples: z.array(sampleSchema) }), ...errorResponses(400, 401, 404) },
      },
    },
    async (request) => {
      requireScope(request.principal, 'instances:read')
      const { instanceId } = request.params
      return { samples: await instances.samples(request.principal, instanceId, request.query.minutes) }
    },
  )
}
