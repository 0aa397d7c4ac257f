import { domainToASCII } from 'node:url'

/** Whom a client asks for. An address is only named so that it can be refused: instances ask for names. */
export type Target =
  | { kind: 'name'; host: string; port: number }
  | { kind: 'address'; host: string; port: number }
  | { kind: 'malformed' }

const malformed: Target = { kind: 'malformed' }
const authorityBytesMax = 300

/** `HOST:PORT` as CONNECT and URLs carry it. One spelling per host comes out; what has several meanings is refused. */
export function readAuthority(text: string, defaultPort?: number): Target {
  if (text.length > authorityBytesMax) return malformed
  const parts = /^(\[[0-9a-f:.]+\]|[^:[\]]+)(?::([0-9]{1,5}))?$/i.exec(text)
  if (!parts) return malformed
  const port = parts[2] === undefined ? defaultPort : Number(parts[2])
  if (port === undefined || port < 1 || port > 65_535) return malformed
  const host = parts[1] as string
  if (host.startsWith('[')) return { kind: 'address', host, port }
  const name = normaliseName(host)
  if (name === undefined) return malformed
  return { kind: endsInNumber(name) ? 'address' : 'name', host: name, port }
}

/** `http://HOST[:PORT]/PATH`, the form in which a client asks a proxy for plain HTTP; undefined for anything else. */
export function readAbsolute(url: string): { target: Target; path: string } | undefined {
  const parts = /^http:\/\/([^/?#\\]*)([/?][^#]*)?$/i.exec(url)
  if (!parts) return undefined
  const rest = parts[2] ?? '/'
  return { target: readAuthority(parts[1] as string, 80), path: rest.startsWith('/') ? rest : `/${rest}` }
}

export function sameTarget(a: Target, b: Target): boolean {
  return (
    a.kind !== 'malformed' &&
    b.kind !== 'malformed' &&
    a.kind === b.kind &&
    a.host === b.host &&
    a.port === b.port
  )
}

const labelPattern = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/

/** Lower case, without the dot at the end, with valid Punycode; undefined for what is no name. */
export function normaliseName(text: string): string | undefined {
  const name = text.toLowerCase().replace(/\.$/, '')
  if (name.length > 253 || !name.split('.').every((label) => labelPattern.test(label))) return undefined
  // A Punycode label that decodes to nothing, or whose proper spelling is another.
  if (name.includes('xn--') && domainToASCII(name) !== name) return undefined
  return name
}

/** What the world's resolvers take for an IPv4 address: 127.0.0.1, 0x7f.1, 0177.1, 2130706433. */
function endsInNumber(name: string): boolean {
  return /^(?:0x[0-9a-f]*|[0-9]+)$/.test(name.slice(name.lastIndexOf('.') + 1))
}
