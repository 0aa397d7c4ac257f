import { type Fronts, ingressHeader } from '../fronts.ts'
import { header, headerList, type RequestHead } from './request-head.ts'

/** About one connection only (RFC 9110, section 7.6.1), or answered by this proxy itself. */
const hopByHop = new Set([
  'connection',
  'proxy-connection',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
  'expect',
  'proxy-authenticate',
  'proxy-authorization',
])

/** What this proxy says itself, and what other proxies use to say who somebody is. A client's own are never passed on. */
const identityNames = new Set([
  'authorization',
  'x-api-key',
  'api-key',
  'host',
  'content-length',
  'forwarded',
  'x-request-id',
  'x-real-ip',
  'x-client-ip',
  'true-client-ip',
  'fastly-client-ip',
  'x-cluster-client-ip',
  'x-originating-ip',
  'x-remote-ip',
  'x-remote-addr',
  'x-original-host',
  'x-original-url',
  'x-rewrite-url',
  'x-http-method-override',
  'x-user',
  'x-user-id',
  'x-user-email',
  'x-email',
  'reef-organization',
])
const identityPattern =
  /^(x-forwarded-|x-reef-|x-openclaw-|x-auth|x-webauth|x-remote-|remote-|x-ssl-|ssl-|x-client-cert|tailscale-|cf-|x-goog-|x-amzn-oidc-|x-pomerium-|x-vouch-|x-ms-client-principal|x-envoy-|x-token)/

/** Headers of OpenClaw's HTTP API that a client may set. The rest of `x-openclaw-*` are credentials and scopes. */
const clientOpenclawHeaders = new Set([
  'x-openclaw-model',
  'x-openclaw-session-key',
  'x-openclaw-message-channel',
  'x-openclaw-message-to',
  'x-openclaw-account-id',
  'x-openclaw-thread-id',
])

/** What a Connection header may not take away, although it names it. */
const protectedFromConnection =
  /^(cookie|origin|referer|content-|accept|sec-|user-agent|set-cookie|date|vary|cache-control|location|etag|x-openclaw-|www-authenticate)/

const agentIdPattern = /^[a-z0-9][a-z0-9_-]{0,63}$/i

export interface ForwardedHeaders {
  /** Added last; the client's own of the same names never come through. */
  added: readonly string[]
  /** What is left of the Cookie header; undefined sends none. */
  cookie: string | undefined
}

/** The client's headers that reach the instance, name, value, name, value, followed by ours. */
export function forwardedHeaders(head: RequestHead, { added, cookie }: ForwardedHeaders): string[] {
  const named = namedByConnection(headerList(head, 'connection'))
  const result: string[] = []
  for (let index = 0; index < head.names.length; index++) {
    const name = head.names[index] as string
    if (name === 'cookie' || isWithheld(name) || named?.has(name)) continue
    result.push(head.raw[index * 2] as string, head.raw[index * 2 + 1] as string)
  }
  if (cookie) result.push('cookie', cookie)
  for (const text of added) result.push(text)
  return result
}

function isWithheld(name: string): boolean {
  if (hopByHop.has(name) || identityNames.has(name)) return true
  // Some servers read an underscore as a hyphen.
  if (name.includes('_')) return isWithheld(name.replaceAll('_', '-')) || name.includes('openclaw')
  return identityPattern.test(name) && !clientOpenclawHeaders.has(name)
}

function namedByConnection(connection: string | undefined): Set<string> | undefined {
  if (connection === undefined || connection === 'keep-alive' || connection === 'close') return undefined
  const names = connection.split(',').map((name) => name.trim().toLowerCase())
  return new Set(names.filter((name) => !protectedFromConnection.test(name)))
}

/** `main`, unless the client names another agent in a form that cannot mean anything else. */
export function agentIdOf(head: RequestHead): string {
  const wanted = header(head, 'x-openclaw-agent-id')
  return wanted !== undefined && agentIdPattern.test(wanted) ? wanted : 'main'
}

// OpenClaw's trusted-proxy mode refuses a visitor who seems to sit on its own machine. A person at this machine is
// given an address of the shared range (RFC 6598), which no client on the internet can have.
const localVisitorAddress = '100.64.0.1'

/** The address of who really asks, for X-Forwarded-For. */
export function clientAddress(fronts: Fronts, head: RequestHead, remoteAddress: string | undefined): string {
  const address =
    fronts.clientAddress({
      remoteAddress,
      forwardedFor: headerList(head, 'x-forwarded-for'),
      ingressToken: headerList(head, ingressHeader),
    }) ?? ''
  return address === '' || address === '::1' || address.startsWith('127.') ? localVisitorAddress : address
}

export interface AnswerHeaderRules {
  /** The instance's own address, where it may set cookies; elsewhere cookies and CORS are the proxy's alone. */
  ownOrigin: boolean
  /** Name of the visit cookie, which the instance may not set. */
  visitCookieName: string
}

/** The instance's headers that reach the client. `raw` are name, value, name, value. */
export function answeredHeaders(raw: readonly string[], rules: AnswerHeaderRules): string[] {
  const result: string[] = []
  let named: Set<string> | undefined
  for (let index = 0; index < raw.length; index += 2)
    if ((raw[index] as string).length === 10 && (raw[index] as string).toLowerCase() === 'connection')
      named = namedByConnection(raw[index + 1])
  for (let index = 0; index < raw.length; index += 2) {
    const name = (raw[index] as string).toLowerCase()
    let value = raw[index + 1] as string
    if (hopByHop.has(name) || named?.has(name) || name === 'x-request-id' || name.startsWith('x-reef-'))
      continue
    if (name === 'set-cookie') {
      const own = rules.ownOrigin ? hostOnly(value, rules.visitCookieName) : undefined
      if (own === undefined) continue
      value = own
    } else if (!rules.ownOrigin && withheldElsewhere(name)) continue
    result.push(raw[index] as string, value)
  }
  return result
}

function withheldElsewhere(name: string): boolean {
  return (
    name.startsWith('access-control-') ||
    name === 'clear-site-data' ||
    name === 'strict-transport-security' ||
    name === 'alt-svc'
  )
}

/** A cookie for the instance's own name only: with a Domain it would reach other people's instances. */
function hostOnly(cookie: string, reservedName: string): string | undefined {
  const [pair = '', ...attributes] = cookie.split(';')
  if (pair.split('=', 1)[0]?.trim() === reservedName) return undefined
  return [pair, ...attributes.filter((attribute) => !/^\s*domain\s*(=|$)/i.test(attribute))].join(';')
}
