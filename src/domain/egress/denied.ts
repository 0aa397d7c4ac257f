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

/** The ports for a rule that allows what was refused: those of the web, and others that were asked for with them. */
export async function deniedPortsOf(trx: Trx, instanceId: string, host: string): Promise<number[]> {
  const { rows } = await sql<{ port: number }>`
    select distinct port from egress_denied
    where instance_id = ${instanceId} and host = ${host} and reason in ('not_listed', 'port')
      and at > now() - make_interval(hours => ${shownHours})
    order by port limit ${portsMax - webPorts.length}`.execute(trx)
  const others = rows.map((row) => row.port).filter((port) => !webPorts.includes(port))
  return others.length === 0 ? [] : [...webPorts, ...others]
}
