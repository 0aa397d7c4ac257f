import type { Selectable } from 'kysely'
import type { BackupKind, BackupReason, BackupState, RestoresTable } from '../../db/tables/backups.ts'
import type { BackupRow } from './rows.ts'

/** A backup as people see it. */
export interface Backup {
  id: string
  instanceId: string
  kind: BackupKind
  reason: BackupReason
  state: BackupState
  /** What it takes up, encrypted and compressed; of a checkpoint what it adds. */
  storedBytes: number | null
  contentBytes: number | null
  fileCount: number | null
  conversationCount: number | null
  openclawVersion: string | null
  locations: ('local' | 'remote')[]
  requestedAt: string
  completedAt: string | null
  /** When it was last restored with success, in a drill or for good. */
  verifiedAt: string | null
  problem: string | null
}

export interface Restore {
  id: string
  instanceId: string
  backupId: string
  safetyBackupId: string | null
  kind: 'requested' | 'first'
  state: 'securing' | 'ordered' | 'succeeded' | 'failed'
  message: string | null
  requestedAt: string
  finishedAt: string | null
}

export function toBackup(row: BackupRow): Backup {
  return {
    id: row.id,
    instanceId: row.instance_id,
    kind: row.kind,
    reason: row.reason,
    state: row.state,
    storedBytes: row.stored_bytes,
    contentBytes: row.content_bytes,
    fileCount: row.file_count,
    conversationCount: row.conversation_count,
    openclawVersion: row.openclaw_version,
    locations: [
      ...(row.local_key === null ? [] : ['local' as const]),
      ...(row.remote_key === null ? [] : ['remote' as const]),
    ],
    requestedAt: row.requested_at.toISOString(),
    completedAt: row.completed_at?.toISOString() ?? null,
    verifiedAt: row.verified_at?.toISOString() ?? null,
    problem: row.verify_failure ?? (row.state === 'failed' ? row.failure_message : null),
  }
}

export function toRestore(row: Selectable<RestoresTable>): Restore {
  return {
    id: row.id,
    instanceId: row.instance_id,
    backupId: row.backup_id,
    safetyBackupId: row.safety_backup_id,
    kind: row.kind,
    state: row.state,
    message: row.message,
    requestedAt: row.requested_at.toISOString(),
    finishedAt: row.finished_at?.toISOString() ?? null,
  }
}
