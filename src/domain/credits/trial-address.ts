import { isIPv4, isIPv6 } from 'node:net'

/** Providers at whose addresses dots before the @ mean nothing. */
const dotless = new Set(['gmail.com', 'googlemail.com'])
/** Names under which a provider takes the same mail. */
const sameDomain: Record<string, string> = {
  'googlemail.com': 'gmail.com',
  'pm.me': 'proton.me',
  'protonmail.com': 'proton.me',
  'protonmail.ch': 'proton.me',
  'ya.ru': 'yandex.ru',
  'yandex.com': 'yandex.ru',
  'me.com': 'icloud.com',
  'mac.com': 'icloud.com',
}

/** The mailbox behind an address, as far as it can be told: without a tag, and without what its provider overlooks. */
export function mailboxOf(email: string): string {
  const address = email.trim().toLowerCase().normalize('NFKC')
  const at = address.lastIndexOf('@')
  const domain = address.slice(at + 1).replace(/\.$/, '')
  const tagged = address.slice(0, at)
  // Yahoo's tags begin with a hyphen.
  const tag = /^yahoo\.|^ymail\.com$/.test(domain) ? /[-+]/ : /\+/
  const untagged = tagged.split(tag)[0] || tagged
  const local = dotless.has(domain) ? untagged.replaceAll('.', '') : untagged
  return `${local}@${sameDomain[domain] ?? domain}`
}

/**
 * The network that an address belongs to: /24 and /64, about what one subscriber has. Undefined for the machine itself,
 * which is where people try Reef out and where tests come from.
 */
export function networkOf(address: string): string | undefined {
  const plain = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1] ?? address.split('%')[0] ?? ''
  if (isIPv4(plain))
    return plain.startsWith('127.') ? undefined : `${plain.split('.').slice(0, 3).join('.')}.0/24`
  if (!isIPv6(plain) || plain === '::1') return undefined
  return `${groupsOf(plain).slice(0, 4).join(':')}::/64`
}

function groupsOf(address: string): string[] {
  const [head = '', tail = ''] = address.split('::')
  const groups = (part: string): string[] => (part === '' ? [] : part.split(':'))
  const given = [...groups(head), ...groups(tail)]
  const zeros = address.includes('::') ? Array.from({ length: Math.max(0, 8 - given.length) }, () => '0') : []
  return [...groups(head), ...zeros, ...groups(tail)].map((group) => Number.parseInt(group, 16).toString(16))
}
