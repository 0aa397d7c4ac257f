import type { Database } from '../../../src/db/database.ts'
import type { BackupKind } from '../../../src/db/tables/backups.ts'
import { newId } from '../../../src/ids.ts'

/** Rows as if a backup had been taken and restored, for tests of what people see of them. */
export async function insertCompleteBackup(
  database: Database,
  owner: { organizationId: string; userId: string; instanceId: string },
  given: { id?: string; kind?: BackupKind; completedAt?: Date; baseBackupId?: string } = {},
): Promise<string> {
  const id = given.id ?? newId()
  await database.asSystem((trx) =>
    trx
      .insertInto('backups')
      .values({
        id,
        organization_id: owner.organizationId,
        instance_id: owner.instanceId,
        user_id: owner.userId,
        kind: given.kind ?? 'full',
        reason: given.kind === 'checkpoint' ? 'checkpoint' : 'on_demand',
        state: 'complete',
        base_backup_id: given.baseBackupId ?? null,
        signed_manifest: '{}',
        local_key: 'none',
        started_at: given.completedAt ?? new Date(),
        completed_at: given.completedAt ?? new Date(),
      })
      .execute(),
  )
  return id
}

export async function insertRestore(
  database: Database,
  owner: { organizationId: string; instanceId: string },
  backupId: string,
): Promise<string> {
  const id = newId()
  await database.asSystem((trx) =>
    trx
      .insertInto('restores')
      .values({
        id,
        organization_id: owner.organizationId,
        instance_id: owner.instanceId,
        backup_id: backupId,
        kind: 'requested',
        state: 'succeeded',
      })
      .execute(),
  )
  return id
}
