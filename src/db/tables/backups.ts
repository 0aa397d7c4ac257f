import type { ColumnType, Generated } from 'kysely'

type CreatedAt = ColumnType<Date, Date | undefined, never>

export type BackupKind = 'full' | 'checkpoint'
export type BackupReason =
  | 'scheduled'
  | 'on_demand'
  | 'before_upgrade'
  | 'before_restore'
  | 'before_archive'
  | 'checkpoint'
export type BackupState = 'requested' | 'running' | 'complete' | 'failed' | 'deleted'
export type AlarmKind =
  | 'remote_unavailable'
  | 'backup_failed'
  | 'restore_failed'
  | 'drill_failed'
  | 'content_missing'

export interface BackupKeysTable {
  user_id: string
  recipient: string
  sealed_identity: string
  created_at: CreatedAt
}

export interface BackupsTable {
  id: string
  organization_id: string
  instance_id: string
  user_id: string
  kind: BackupKind
  reason: BackupReason
  state: BackupState
  base_backup_id: string | null
  slot_id: string | null
  stored_bytes: number | null
  content_bytes: number | null
  file_count: number | null
  conversation_count: number | null
  openclaw_version: string | null
  signed_manifest: string | null
  local_key: string | null
  remote_key: string | null
  remote_retry_at: Date | null
  remote_attempts: Generated<number>
  failure_code: string | null
  failure_message: string | null
  verified_at: Date | null
  verify_failure: string | null
  requested_at: Generated<Date>
  started_at: Date | null
  completed_at: Date | null
  lease_until: Date | null
  attempts: Generated<number>
}

export interface RestoresTable {
  id: string
  organization_id: string
  instance_id: string
  backup_id: string
  safety_backup_id: string | null
  requested_by: string | null
  kind: 'requested' | 'first'
  state: 'securing' | 'ordered' | 'succeeded' | 'failed'
  slot_id: string | null
  message: string | null
  requested_at: Generated<Date>
  finished_at: Date | null
}

export interface BackupSchedulesTable {
  instance_id: string
  organization_id: string
  next_at: Date
  drill_at: Date | null
}

export interface BackupDrillsTable {
  id: string
  organization_id: string
  instance_id: string
  backup_id: string
  slot_id: string | null
  state: 'running' | 'passed' | 'failed'
  message: string | null
  started_at: Generated<Date>
  finished_at: Date | null
}

export interface BackupAlarmsTable {
  id: string
  kind: AlarmKind
  organization_id: string | null
  instance_id: string | null
  message: string
  raised_at: Generated<Date>
  seen_at: Generated<Date>
  cleared_at: Date | null
}
