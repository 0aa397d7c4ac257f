import { sql } from 'kysely'
import type { Trx } from '../../db/database.ts'

/** What an instance tried to reach and was refused. */
export interface DeniedDomain {
  /** Empty when nothing readable was asked for. */
  host: string
  ports: number[]
  reason: string
  attempts: number
  lastAt: string
  /** Whether a rule would change the answer: not for addresses, nor for names of private ones. */
  canAllow: boolean
}

const shownMax = 100
const shownHours = 24
/** What a rule for the name would have allowed. */
const curable = ['not_listed', 'port']

export async function listDenied(trx: Trx, instanceId: string): Promise<DeniedDomain[]> {
  const { rows } = await sql<Omit<DeniedDomain, 'canAllow' | 'lastAt'> & { lastAt: Date }>`
    select host, reason, array_agg(distinct port order by port) as ports, sum(attempts)::bigint as attempts, max(at) as "lastAt"
    from egress_denied
    where instance_id = ${instanceId} and at > now() - make_interval(hours => ${shownHours})
    group by host, reason order by max(at) desc, host limit ${shownMax}`.execute(trx)
  return rows.map((row) => ({
    ...row,
    lastAt: row.lastAt.toISOString(),
    canAllow: curable.includes(row.reason) && row.host.includes('.'),
  }))
}

const webPorts = [80, 443]
const portsMax = 10

/** The ports for a rule that allows what was refused: those of its rule so far or of the web, and all that were asked for. */
export async function portsToAllow(trx: Trx, instanceId: string, host: string): Promise<number[]> {
  const present = await trx
    .selectFrom('egress_rules')
    .select('ports')
    .where('instance_id', '=', instanceId)
    .where('domain', '=', host)
    .executeTakeFirst()
  const { rows } = await sql<{ port: number }>`
    select distinct port from egress_denied
    where instance_id = ${instanceId} and host = ${host} and reason in ('not_listed', 'port')
      and at > now() - make_interval(hours => ${shownHours})
    order by port`.execute(trx)
  const known = present && present.ports.length > 0 ? present.ports : webPorts
  const ports = [...new Set([...known, ...rows.map((row) => row.port)])].slice(0, portsMax)
  return ports.length === webPorts.length && webPorts.every((port) => ports.includes(port)) ? [] : ports
}
