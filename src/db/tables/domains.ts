import type { ColumnType, Generated } from 'kysely'

export type DomainState = 'pending' | 'verified' | 'failed'
export type DomainProof = 'txt' | 'cname'

export interface DomainsTable {
  id: string
  organization_id: string
  instance_id: string
  hostname: string
  token: string
  state: Generated<DomainState>
  proof: DomainProof | null
  problem: string | null
  points_here: boolean | null
  created_by: string | null
  created_at: ColumnType<Date, Date | undefined, never>
  checked_at: Date | null
  next_check_at: Date | null
  verified_at: Date | null
  unproven_since: Date | null
}
