import { z } from 'zod'
import { type Authenticator, requireScope } from '../../domain/accounts/principal.ts'
import type { SessionService } from '../../domain/sessions/service.ts'
import { idSchema } from '../schemas/common.ts'
import { errorResponses } from '../schemas/errors.ts'
import { instanceSchema, sessionSchema } from '../schemas/instances.ts'
import { bearerSecurity, requirePrincipal, type Server } from '../server.ts'

export interface SessionRouteDeps {
  authenticator: Authenticator
  sessions: SessionService
}

export function registerSessionRoutes(app: Server, { authenticator, sessions }: SessionRouteDeps): void {
  const onRequest = requirePrincipal(authenticator)
  const shared = { tags: ['sessions'], security: bearerSecurity }

  app.post(
    '/api/sessions',
    {
      onRequest,
      schema: {
        ...shared,
        summary: 'Launch: my instance runs, or is about to, and this is its open session',
        response: {
          201: z.object({ session: sessionSchema, instance: instanceSchema }),
          ...errorResponses(401, 402, 404, 409),
        },
      },
    },
    async ({ principal }, reply) => {
      requireScope(principal, 'instances:write')
      return reply.status(201).send(await sessions.launch(principal))
    },
  )

  app.get(
    '/api/sessions',
    {
      onRequest,
      schema: {
        ...shared,
        summary: 'My sessions, newest first',
        response: { 200: z.object({ sessions: z.array(sessionSchema) }), ...errorResponses(401, 404) },
      },
    },
    async ({ principal }) => {
      requireScope(principal, 'instances:read')
      return { sessions: await sessions.list(principal) }
    },
  )

  app.get(
    '/api/sessions/:sessionId',
    {
      onRequest,
      schema: {
        ...shared,
        summary: 'A session of mine',
        params: z.strictObject({ sessionId: idSchema }),
        response: { 200: sessionSchema, ...errorResponses(400, 401, 404) },
      },
    },
    async (request) => {
      requireScope(request.principal, 'instances:read')
      return sessions.get(request.principal, request.params.sessionId)
    },
  )
}
