import type { ColumnType, Generated, GeneratedAlways } from 'kysely'

type CreatedAt = ColumnType<Date, Date | undefined, never>

export interface SecretsTable {
  id: string
  organization_id: string
  instance_id: string | null
  session_id: string | null
  name: string
  version: Generated<number>
  /** Not readable for tenants. */
  sealed: string
  key_id: GeneratedAlways<string>
  fingerprint: string
  size_bytes: number
  expose_to_tools: Generated<boolean>
  created_by: string | null
  created_at: CreatedAt
  updated_by: string | null
  updated_at: Generated<Date>
  delivered_at: Date | null
}

export type SecretScope = 'organization' | 'instance' | 'session'
export type SecretEventKind = 'created' | 'rotated' | 'exposed' | 'hidden' | 'removed' | 'ended' | 'delivered'

export interface SecretEventsTable {
  id: string
  organization_id: string
  instance_id: string | null
  session_id: string | null
  secret_id: string
  name: string
  scope: SecretScope
  kind: SecretEventKind
  version: number
  user_id: string | null
  slot_id: string | null
  link_connected_at: Date | null
  at: CreatedAt
}
