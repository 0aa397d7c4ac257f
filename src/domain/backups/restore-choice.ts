import type { Trx } from '../../db/database.ts'
import { conflict, invalid, notFound } from '../../errors.ts'
import { isId } from '../../ids.ts'
import { type Backup, toBackup } from './backup.ts'
import { type BackupRow, findNewest } from './rows.ts'

export interface RestoreWish {
  instanceId: string
  backupId?: string | undefined
  /** A day, `2026-02-08`, in UTC: the last backup until its end. */
  date?: string | undefined
}

export interface RestorePreview {
  backup: Backup
  /** How many conversations are in it and, as far as is known, in the state of now. */
  conversations: { after: number | null; now: number | null }
  /** The state of now is as of then; what came after the backup and before this is given up. */
  lost: { since: string; conversationsChanged: boolean; backupsInBetween: number }
  openclawVersion: { after: string | null; now: string | null }
  contentBytes: { after: number | null; now: number | null }
}

/** The backup that is meant, by id, by day, or the newest. Throws with what to do instead. */
export async function chooseBackup(trx: Trx, wish: RestoreWish): Promise<BackupRow> {
  if (wish.backupId !== undefined) {
    const backup = isId(wish.backupId)
      ? await trx
          .selectFrom('backups')
          .selectAll()
          .where('id', '=', wish.backupId)
          // Of an earlier instance of the same person too.
          .where('user_id', '=', (select) =>
            select
              .selectFrom('instances')
              .select('owner_user_id')
              .where('instances.id', '=', wish.instanceId),
          )
          .executeTakeFirst()
      : undefined
    if (!backup) throw notFound()
    if (backup.state !== 'complete')
      throw conflict('backup_not_complete', `This backup is ${backup.state}. Choose one that is complete.`)
    return backup
  }
  const notAfter = wish.date === undefined ? undefined : endOfDay(wish.date)
  const backup = await findNewest(trx, wish.instanceId, notAfter ? { notAfter } : {})
  if (!backup)
    throw conflict(
      'backup_missing',
      wish.date === undefined
        ? 'There is no backup of this instance yet.'
        : `There is no backup of this instance from ${wish.date} or before. \`reef backups\` lists what there is.`,
    )
  return backup
}

function endOfDay(date: string): Date {
  const start = new Date(`${date}T00:00:00.000Z`)
  if (!/^\d{4}-\d{2}-\d{2}$/.test(date) || Number.isNaN(start.getTime()))
    throw invalid('date', 'is a day like 2026-02-08')
  return new Date(start.getTime() + 86_400_000 - 1)
}

/** What it would change, as far as backups tell: the state of now is as of the newest. */
export async function previewOf(trx: Trx, instanceId: string, backup: BackupRow): Promise<RestorePreview> {
  const newest = (await findNewest(trx, instanceId)) ?? backup
  const { later } = await trx
    .selectFrom('backups')
    .select((expression) => expression.fn.countAll<number>().as('later'))
    .where('instance_id', '=', instanceId)
    .where('state', '=', 'complete')
    .where('completed_at', '>', backup.completed_at as Date)
    .executeTakeFirstOrThrow()
  return {
    backup: toBackup(backup),
    conversations: { after: backup.conversation_count, now: newest.conversation_count },
    lost: {
      since: (backup.completed_at as Date).toISOString(),
      conversationsChanged: Number(later) > 0,
      backupsInBetween: Number(later),
    },
    openclawVersion: { after: backup.openclaw_version, now: newest.openclaw_version },
    contentBytes: { after: backup.content_bytes, now: newest.content_bytes },
  }
}
