import { access } from 'node:fs/promises'
import { join } from 'node:path'
import fastifyStatic from '@fastify/static'
import type { Server } from './server.ts'

/** Nothing but the dashboard's own files and its own servers: an injected script finds nowhere to send to. */
function contentSecurityPolicy(connectTo: string[]): string {
  return [
    "default-src 'self'",
    `connect-src 'self' ${connectTo.join(' ')}`,
    "img-src 'self' data: blob:",
    "style-src 'self' 'unsafe-inline'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
    "form-action 'self'",
  ].join('; ')
}

/** Paths that belong to the API: an unknown one is an API error and never the dashboard's page. */
const apiPrefixes = ['/api/', '/models/', '/docs', '/link', '/realtime', '/openapi.json']

export interface DashboardOptions {
  /** The built dashboard, web/dist. */
  directory: string
  /** Other origins that the dashboard talks to: the proxy. */
  connectTo: () => string[]
}

/** Serves the built dashboard; any path that is not the API's is one of its pages. */
export async function registerDashboard(app: Server, options: DashboardOptions): Promise<void> {
  const built = await access(join(options.directory, 'index.html')).then(
    () => true,
    () => false,
  )
  if (!built) {
    app.get('/', { schema: { hide: true } }, (_request, reply) =>
      reply.type('text/plain').send('The dashboard is not built. Run: npm run build:web\n'),
    )
    return
  }
  await app.register(fastifyStatic, {
    root: options.directory,
    wildcard: false,
    // File names carry a hash of their content; only index.html changes under its name.
    setHeaders: (reply, path) => {
      reply.header(
        'cache-control',
        path.endsWith('index.html') ? 'no-cache' : 'public, max-age=31536000, immutable',
      )
    },
  })
  app.addHook('onSend', async (request, reply) => {
    if (apiPrefixes.some((prefix) => request.url.startsWith(prefix))) return
    reply.header('content-security-policy', contentSecurityPolicy(options.connectTo()))
    reply.header('referrer-policy', 'same-origin')
  })
  app.get('/*', { schema: { hide: true } }, (request, reply) => {
    const isPage =
      !apiPrefixes.some((prefix) => request.url.startsWith(prefix)) &&
      (request.headers.accept ?? '').includes('text/html')
    if (!isPage) return reply.callNotFound()
    return reply.header('cache-control', 'no-cache').sendFile('index.html')
  })
}
