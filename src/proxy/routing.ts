import { isIP } from 'node:net'
import { notFound } from '../errors.ts'
import { isId } from '../ids.ts'
import { type SplitPath, splitPath } from './path.ts'
import { Refusal } from './refusal.ts'
import { isWebhook } from './webhooks.ts'

/** What a request is for. `path` is what the instance is asked for, query included. */
export type Route =
  | { kind: 'health' }
  | { kind: 'gateway'; path: string }
  | { kind: 'bridge'; sessionId: string; path: string }
  | { kind: 'enter'; slug: string; host: string; ticket: string }
  | { kind: 'ui'; slug: string; host: string; path: string }
  | { kind: 'webhook'; slug: string; host: string; path: string }

export interface Names {
  /** Instances answer at SLUG.domain. */
  domain: string
  /** Further names of the proxy itself, in lower case and without port. */
  own: ReadonlySet<string>
  /** The slug that a verified domain of somebody's own stands for. */
  findSlug?: ((hostname: string) => Promise<string | undefined>) | undefined
}

const slugPattern = /^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$/
const enterPath = '/__reef/enter'

/** Decides by Host and path alone. Throws 400 or 421 for a Host that is absent, malformed or nobody's. */
export function routeRequest(
  url: string,
  host: string | undefined,
  names: Names,
  method = 'GET',
  customSlug?: string,
): Route {
  const { hostname, authority } = parseHost(host)
  if (!isOwnName(hostname, names)) {
    const slug = customSlug ?? slugOf(hostname, names)
    return routeInstance(url, slug, authority, method)
  }
  const { path, query } = splitPath(url, true)
  if (path === '/healthz') return { kind: 'health' }
  if (path.startsWith('/v1/')) return { kind: 'gateway', path: path + query }
  const session = /^\/api\/sessions\/([^/]+)(\/.+)$/.exec(path)
  if (session) return routeSession(session[1] as string, (session[2] as string) + query)
  throw notFound('no such path on the proxy')
}

function routeSession(sessionId: string, path: string): Route {
  if (!isId(sessionId)) throw notFound('not an id')
  if (path.startsWith('//')) throw notFound('empty segment')
  return { kind: 'bridge', sessionId, path }
}

/** For names that only the database knows; undefined at once for all others. */
export function findCustomSlug(
  host: string | undefined,
  names: Names,
): Promise<string | undefined> | undefined {
  if (!names.findSlug) return undefined
  const { hostname } = parseHost(host)
  const isOwn = isOwnName(hostname, names) || slugOf(hostname, names) !== ''
  return isOwn ? undefined : names.findSlug(hostname)
}

function slugOf(hostname: string, names: Names): string {
  const suffix = `.${names.domain}`
  return hostname.endsWith(suffix) ? hostname.slice(0, -suffix.length) : ''
}

function routeInstance(url: string, slug: string, host: string, method: string): Route {
  if (!slugPattern.test(slug))
    throw new Refusal(
      421,
      'unknown_host',
      'This name is not served here. Operators: set REEF_DOMAIN and REEF_PROXY_PUBLIC_URL to the names that people use, or verify a domain of your own.',
    )
  const split = splitPath(url, false)
  if (split.path === enterPath) return { kind: 'enter', slug, host, ticket: ticketOf(split) }
  if (split.path.startsWith('/__reef/')) throw notFound('reserved path')
  const kind = isWebhook(method, split.path) ? 'webhook' : 'ui'
  return { kind, slug, host, path: split.path + split.query }
}

function ticketOf(split: SplitPath): string {
  return new URLSearchParams(split.query).get('ticket') ?? ''
}

function isOwnName(hostname: string, names: Names): boolean {
  // An address cannot be rebound to by a hostile name server, so any address under which we were reached is ours.
  return (
    names.own.has(hostname) ||
    hostname === 'localhost' ||
    hostname === names.domain ||
    hostname.startsWith('[') ||
    isIP(hostname) === 4
  )
}

function parseHost(host: string | undefined): { hostname: string; authority: string } {
  const authority = host?.toLowerCase() ?? ''
  const match = /^([a-z0-9.-]{1,253}|\[[0-9a-f:.]{2,45}\])(:\d{1,5})?$/.exec(authority)
  const hostname = match?.[1]
  if (!hostname || (hostname.startsWith('[') && isIP(hostname.slice(1, -1)) !== 6))
    throw new Refusal(
      400,
      'bad_host',
      'The request needs one Host header with a name and, if need be, a port.',
    )
  return { hostname, authority }
}
