import type { Generated } from 'kysely'

export type EgressMode = 'allow_list' | 'open'

export interface EgressSettingsTable {
  organization_id: string
  instance_id: string | null
  mode: EgressMode
  updated_at: Generated<Date>
}

export interface EgressRulesTable {
  id: string
  organization_id: string
  instance_id: string | null
  domain: string
  ports: Generated<number[]>
  created_by: string | null
  created_at: Generated<Date>
}

export interface EgressDeniedTable {
  organization_id: string
  instance_id: string
  at: Date
  host: string
  port: number
  reason: string
  attempts: number
}

export interface EgressTrafficTable {
  organization_id: string
  instance_id: string
  at: Date
  sent_bytes: number
  received_bytes: number
}
