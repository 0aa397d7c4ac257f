import { type Selectable, sql } from 'kysely'
import type { Trx } from '../../db/database.ts'
import type { BackupKind, BackupReason, BackupsTable } from '../../db/tables/backups.ts'
import { newId } from '../../ids.ts'

export type BackupRow = Selectable<BackupsTable>

/** The database's clock: the only one that all control planes share. */
export const databaseNow = sql<Date>`clock_timestamp()`

/** Where a backup lies in every store: by person first, so that one person's are found, and deleted, together. */
export function contentKey(backup: Pick<BackupRow, 'user_id' | 'instance_id' | 'id'>): string {
  return `${backup.user_id}/${backup.instance_id}/${backup.id}.age`
}

/** Written last: without it the content beside it does not count. */
export function manifestKey(backup: Pick<BackupRow, 'user_id' | 'instance_id' | 'id'>): string {
  return `${backup.user_id}/${backup.instance_id}/${backup.id}.manifest.json`
}

export async function insertBackup(
  trx: Trx,
  instance: { id: string; organization_id: string; owner_user_id: string },
  values: {
    kind: BackupKind
    reason: BackupReason
    state: 'requested' | 'running'
    slotId?: string
    baseBackupId?: string | null
  },
): Promise<string> {
  const id = newId()
  await trx
    .insertInto('backups')
    .values({
      id,
      organization_id: instance.organization_id,
      instance_id: instance.id,
      user_id: instance.owner_user_id,
      kind: values.kind,
      reason: values.reason,
      state: values.state,
      base_backup_id: values.baseBackupId ?? null,
      slot_id: values.slotId ?? null,
      ...(values.state === 'running' ? { started_at: databaseNow } : {}),
    })
    .execute()
  return id
}

/** The newest that can be restored: a checkpoint counts when the backup that it adds to is there too. */
export async function findNewest(
  trx: Trx,
  instanceId: string,
  options: { notAfter?: Date; before?: Date; kind?: BackupKind } = {},
): Promise<BackupRow | undefined> {
  const { notAfter, before, kind } = options
  return trx
    .selectFrom('backups')
    .leftJoin('backups as base', 'base.id', 'backups.base_backup_id')
    .selectAll('backups')
    .where('backups.instance_id', '=', instanceId)
    .where('backups.state', '=', 'complete')
    .where((where) =>
      where.or([where('backups.base_backup_id', 'is', null), where('base.state', '=', 'complete')]),
    )
    .$if(notAfter !== undefined, (query) => query.where('backups.completed_at', '<=', notAfter as Date))
    .$if(before !== undefined, (query) => query.where('backups.completed_at', '<', before as Date))
    .$if(kind !== undefined, (query) => query.where('backups.kind', '=', kind as BackupKind))
    .orderBy('backups.completed_at', 'desc')
    .limit(1)
    .executeTakeFirst()
}
