import { type DeniedReason, type Egress, webPorts } from './protocol.ts'
import type { Target } from './target.ts'

export type Decision = { allowed: true } | { allowed: false; reason: DeniedReason }

/** What an instance may reach, by name and port alone; the addresses behind the name are judged after it is resolved. */
export function decide(target: Target, egress: Egress): Decision {
  if (target.kind === 'malformed') return { allowed: false, reason: 'malformed' }
  if (egress.mode === 'none') return { allowed: false, reason: 'no_egress' }
  if (target.kind === 'address') return { allowed: false, reason: 'address' }
  // A name without a dot is of some private network.
  if (!target.host.includes('.')) return { allowed: false, reason: 'not_listed' }
  const matching = egress.rules.filter((rule) => matches(rule.domain, target.host))
  if (egress.mode === 'allow_list' && matching.length === 0) return { allowed: false, reason: 'not_listed' }
  const ports = matching.map((rule) => (rule.ports.length === 0 ? webPorts : rule.ports))
  if (egress.mode === 'open') ports.push(webPorts)
  return ports.some((list) => list.includes(target.port))
    ? { allowed: true }
    : { allowed: false, reason: 'port' }
}

/** `*.example.com` stands for every name below example.com, and not for example.com itself. */
export function matches(pattern: string, host: string): boolean {
  return pattern.startsWith('*.') ? host.endsWith(pattern.slice(1)) : host === pattern
}
