import type { ServedNames } from '../../domain/domains/served-names.ts'
import { notFound, ReefError } from '../../errors.ts'
import { cameThroughIngress, isLoopback } from '../forwarded.ts'
import { askQuerySchema } from '../schemas/ingress.ts'
import type { Server } from '../server.ts'

export interface IngressRouteDeps {
  names: ServedNames
}

/** Caddy's question before it gets a certificate (`on_demand_tls ask`): for Caddy alone, which shows its token. */
export function registerIngressRoutes(app: Server, deps: IngressRouteDeps): void {
  app.get('/ingress/ask', { schema: { hide: true, querystring: askQuerySchema } }, async (request, reply) => {
    // Whatever Caddy lets in carries its token too; only Caddy itself asks from its own machine.
    if (!cameThroughIngress(request.raw) || !isLoopback(request.ip)) throw notFound('not the ingress')
    const answer = await deps.names.check(request.query.domain)
    if (answer === 'unknown') throw notFound('this name is not served')
    if (answer === 'later')
      throw new ReefError('rateLimited', {
        code: 'rate_limited',
        message: 'Too many unknown names are being asked for. Try again in a second.',
        retryAfterSeconds: 1,
      })
    return reply.status(200).send()
  })
}
