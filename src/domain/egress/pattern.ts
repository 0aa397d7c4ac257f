import { domainToASCII } from 'node:url'
import { invalid } from '../../errors.ts'

const label = '[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?'
const namePattern = new RegExp(`^(?:${label}\\.)+${label}$`)
/** Registries below which anybody may have a name: a wildcard there would allow the whole country. */
const registries = new Set(
  ['co', 'com', 'net', 'org', 'gov', 'edu', 'ac'].flatMap((second) =>
    [
      'uk',
      'au',
      'nz',
      'za',
      'jp',
      'kr',
      'br',
      'in',
      'il',
      'mx',
      'tr',
      'cn',
      'tw',
      'sg',
      'hk',
      'th',
      'id',
    ].map((country) => `${second}.${country}`),
  ),
)

/**
 * The one spelling of a domain that a rule allows: `example.com`, or `*.example.com` for everything below it. Throws what
 * the person can do about anything else.
 */
export function parseDomain(text: string, field = 'domain'): string {
  const given = text.trim().toLowerCase().replace(/\.$/, '')
  const wildcard = given.startsWith('*.')
  const rest = wildcard ? given.slice(2) : given
  if (/^[a-z]+:\/\//.test(given) || /[/?#@\s]/.test(given))
    throw invalid(field, 'Write the name alone, without https:// and without a path: example.com.')
  if (rest.includes(':'))
    throw invalid(field, 'Write the name alone; ports go into ports, such as [443, 8443].')
  if (rest.includes('*'))
    throw invalid(field, 'A * stands only at the front, for everything below a name: *.example.com.')
  const name = domainToASCII(rest)
  if (/^[0-9.]+$/.test(rest) || /^[0-9.]+$/.test(name))
    throw invalid(
      field,
      'Addresses cannot be allowed, only names: what a name stands for is checked at each use.',
    )
  if (name.length > 251 || !namePattern.test(name) || /\.(?:0x[0-9a-f]*|[0-9]+)$/.test(name))
    throw invalid(field, 'This is no domain name. Write it like example.com or *.example.com.')
  if (wildcard && registries.has(name))
    throw invalid(
      field,
      `*.${name} would allow everybody’s names there. Name the domain itself: *.example.${name}.`,
    )
  return wildcard ? `*.${name}` : name
}
