import type { Generated } from 'kysely'

export interface EmailVerificationsTable {
  token_hash: Buffer
  user_id: string
  email: string
  created_at: Generated<Date>
  expires_at: Date
}

export type TrialState = 'verification' | 'due' | 'granted' | 'refused'

export interface TrialsTable {
  organization_id: string
  user_id: string | null
  address_key: string | null
  network_key: string | null
  state: TrialState
  not_before: Generated<Date>
  created_at: Generated<Date>
  decided_at: Date | null
}
