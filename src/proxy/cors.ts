import { header, type RequestHead } from './request-head.ts'

/** Lets the dashboard, which is another origin, call the API paths of the proxy. Credentials are headers, never cookies. */
export function corsHeaders(head: RequestHead, origins: ReadonlySet<string>): string[] {
  const origin = header(head, 'origin')
  if (origin === undefined || !origins.has(origin)) return []
  return [
    ...['access-control-allow-origin', origin, 'vary', 'Origin'],
    ...['access-control-expose-headers', 'x-request-id, retry-after'],
  ]
}

export function isPreflight(method: string | undefined, head: RequestHead): boolean {
  return method === 'OPTIONS' && header(head, 'access-control-request-method') !== undefined
}

export const preflightHeaders: readonly string[] = [
  ...['access-control-allow-methods', 'GET, HEAD, POST, PUT, PATCH, DELETE'],
  ...['access-control-allow-headers', 'authorization, content-type, reef-organization, x-openclaw-agent-id'],
  ...['access-control-max-age', '600'],
]
