import type { DeniedReason } from './protocol.ts'

/** What an instance is told, and through it the person who asked it for something. */
export function describeRefusal(reason: DeniedReason, host: string, port: number): string {
  switch (reason) {
    case 'not_listed':
      return `Reef: this OpenClaw may not reach ${host}. Its owner can allow ${host} in the dashboard, under Egress.`
    case 'port':
      return `Reef: this OpenClaw may not reach port ${port} of ${host}. Its owner can allow ${host} with that port in the dashboard, under Egress.`
    case 'no_egress':
      return 'Reef: this OpenClaw belongs to nobody yet and reaches nothing.'
    case 'address':
      return `Reef: an OpenClaw reaches the outside by names and never by addresses, so ${host} is refused. Its owner can allow a name in the dashboard, under Egress.`
    case 'private_address':
      return `Reef: ${host} stands for a private address, which no OpenClaw may reach.`
    case 'server_name':
      return `Reef: what was asked for inside the connection is not ${host}.`
    case 'malformed':
      return 'Reef: this names no server that could be reached. Ask for a host name and a port.'
  }
}
