import type { EgressDenied, EgressRule } from '../../api/types.ts'

type Rule = Pick<EgressRule, 'domain' | 'ports'>

/** What a rule without ports allows. */
const webPorts = [80, 443]

/** Whether a rule's name covers that name; `*.example.com` is everything below it and not itself. */
function matches(domain: string, host: string): boolean {
  return domain.startsWith('*.') ? host.endsWith(domain.slice(1)) : domain === host
}

/** Whether what was refused would be let through by now. */
export function isAllowed(rules: Rule[], { host, ports }: Pick<EgressDenied, 'host' | 'ports'>): boolean {
  const open = rules
    .filter((rule) => matches(rule.domain, host))
    .flatMap((rule) => (rule.ports.length === 0 ? webPorts : rule.ports))
  return open.length > 0 && ports.every((port) => open.includes(port))
}

/** Whether all of a preset is allowed already. */
export function hasAll(rules: Rule[], domains: string[]): boolean {
  return domains.every((domain) =>
    rules.some(
      (rule) => rule.domain === domain || (!domain.startsWith('*.') && matches(rule.domain, domain)),
    ),
  )
}

/** " at port 8443": only what a rule says beyond the web. */
export function portsText(ports: number[]): string {
  if (ports.length === 0 || ports.every((port) => webPorts.includes(port))) return ''
  return ` at ${ports.length === 1 ? 'port' : 'ports'} ${ports.join(', ')}`
}

/** The ports that a person typed, or undefined when that is not a list of ports. */
export function parsePorts(text: string): number[] | undefined {
  const ports = text
    .split(/[\s,]+/)
    .filter(Boolean)
    .map(Number)
  return ports.every((port) => Number.isInteger(port) && port >= 1 && port <= 65_535) ? ports : undefined
}
