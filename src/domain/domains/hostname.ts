import { isIP } from 'node:net'
import { domainToASCII } from 'node:url'
import { invalid } from '../../errors.ts'

const pattern = /^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?$/

/**
 * Second-level names under which a registry sells, in their common forms. The whole list is long and changes weekly; what
 * is missing here fails later, since nobody can prove that such a name is theirs.
 */
const registryPattern = /^(ac|co|com|edu|go|gob|gov|gouv|ltd|me|mil|ne|net|nom|or|org|plc|sch)\.[a-z]{2}$/

/** Names that lead nowhere or to this very machine (RFC 6761, RFC 7686, RFC 8375). */
const localPattern = /(^|\.)(localhost|local|internal|invalid|onion|home\.arpa|in-addr\.arpa|ip6\.arpa)$/

export interface ReefNames {
  /** Instances answer at SLUG.domain. */
  domain: string
  /** Names of the dashboard, the API and the proxy. */
  own: ReadonlySet<string>
}

/** The one spelling of a domain name that somebody typed. Throws with what is wrong with it. */
export function normalizeHostname(typed: string, names: ReefNames): string {
  const text = typed.trim().replace(/\.$/, '')
  if (/[/:@?#\\%\s*]/.test(text))
    throw invalid(
      'domain',
      'Give the bare name, without https:// and without a path. For example claw.example.com.',
    )
  const hostname = domainToASCII(text)
  if (isIP(hostname) !== 0 || !pattern.test(hostname) || hostname.length > 253)
    throw invalid('domain', `${text} is not a domain name. Give one like claw.example.com.`)
  if (registryPattern.test(hostname))
    throw invalid('domain', `${hostname} is where a registry sells names. Give one that you have bought.`)
  if (localPattern.test(hostname))
    throw invalid('domain', `${hostname} cannot be reached from elsewhere. Give a name of the public DNS.`)
  if (hostname === names.domain || hostname.endsWith(`.${names.domain}`) || names.own.has(hostname))
    throw invalid('domain', `Names below ${names.domain} are Reef’s own. Give a name of yours.`)
  return hostname
}
