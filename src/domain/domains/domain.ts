import type { Selectable } from 'kysely'
import type { DomainState, DomainsTable } from '../../db/tables/domains.ts'
import { txtName, txtValue } from './verification.ts'

/** A name of the owner's own for an instance. */
export interface Domain {
  id: string
  domain: string
  state: DomainState
  /** What is wrong and what to do about it. */
  problem: string | null
  /** Whether the name leads to this Reef; null until it was looked up. */
  pointsHere: boolean | null
  url: string
  /** What to set at the DNS. The first proves whose the name is, the second makes it lead here and is proof too. */
  records: { type: 'TXT' | 'CNAME'; name: string; value: string }[]
  createdAt: string
  checkedAt: string | null
  verifiedAt: string | null
}

export function toDomain(
  row: Selectable<DomainsTable>,
  view: { instanceName: string; originOf(hostname: string): string },
): Domain {
  return {
    id: row.id,
    domain: row.hostname,
    state: row.state,
    problem: row.problem,
    pointsHere: row.points_here,
    url: view.originOf(row.hostname),
    records: [
      { type: 'TXT', name: txtName(row.hostname), value: txtValue(row.token) },
      { type: 'CNAME', name: row.hostname, value: view.instanceName },
    ],
    createdAt: row.created_at.toISOString(),
    checkedAt: row.checked_at?.toISOString() ?? null,
    verifiedAt: row.verified_at?.toISOString() ?? null,
  }
}
