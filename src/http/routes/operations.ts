import { z } from 'zod'
import type { Database } from '../../db/database.ts'
import { notFound, unavailable } from '../../errors.ts'
import { sameSecret } from '../../secrets.ts'
import type { Metrics } from '../../telemetry/metrics.ts'
import { errorBodySchema } from '../errors.ts'
import { isLoopback, wasForwarded } from '../forwarded.ts'
import { infoSchema } from '../schemas/instances.ts'
import type { Server } from '../server.ts'

export interface OperationsDeps {
  database: Database
  metrics: Metrics
  info: () => z.infer<typeof infoSchema>
  /** Lets scrapers in from elsewhere; without it /metrics answers this machine only. */
  metricsToken: string | undefined
}

const healthSchema = z.object({ status: z.literal('ok') })

export function registerOperationsRoutes(app: Server, deps: OperationsDeps): void {
  app.get(
    '/healthz',
    { schema: { tags: ['operations'], summary: 'The process runs', response: { 200: healthSchema } } },
    async () => ({ status: 'ok' as const }),
  )

  app.get(
    '/readyz',
    {
      schema: {
        tags: ['operations'],
        summary: 'Requests can be served',
        response: { 200: healthSchema, 503: errorBodySchema },
      },
    },
    async () => {
      await deps.database.ping().catch((error) => {
        throw unavailable(
          'database_unavailable',
          `The database does not answer: ${(error as Error).message}`,
          1,
        )
      })
      return { status: 'ok' as const }
    },
  )

  app.get('/metrics', { schema: { hide: true } }, async (request, reply) => {
    const given = request.headers.authorization?.replace(/^Bearer /, '')
    const allowed = deps.metricsToken
      ? given !== undefined && sameSecret(given, deps.metricsToken)
      : isLoopback(request.socket.remoteAddress) && !wasForwarded(request.raw)
    if (!allowed) throw notFound('metrics are for operators')
    const { contentType, text } = await deps.metrics.render()
    return reply.type(contentType).send(text)
  })

  app.get(
    '/api/info',
    {
      schema: {
        tags: ['operations'],
        summary: 'What a client needs to know before anyone has logged in',
        response: { 200: infoSchema },
      },
    },
    async () => deps.info(),
  )

  app.addHook('onResponse', async (request, reply) => {
    deps.metrics.observeApi(
      request.routeOptions.url ?? 'none',
      request.method,
      reply.statusCode,
      reply.elapsedTime / 1000,
    )
  })
}
