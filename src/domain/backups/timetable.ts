import { sql } from 'kysely'
import type { Database, Trx } from '../../db/database.ts'
import { isUsedSince } from './last-use.ts'
import { type BackupSchedule, nextBackupAt } from './schedule.ts'
import type { BackupTaker } from './take.ts'

/**
 * Enters the daily backups that are due. Only instances in which something happened since their last full backup get
 * one; the others keep what they have.
 */
export async function requestScheduled(
  database: Database,
  taker: Pick<BackupTaker, 'request'>,
  schedule: BackupSchedule,
  now: Date,
): Promise<void> {
  await database.asSystem((trx) => enterNewInstances(trx, schedule, now))
  for (;;) {
    const due = await database.asSystem((trx) => claimDue(trx, schedule, now))
    if (!due) return
    // One that does not run has its last checkpoint, or nothing to save.
    if (due.changed) await taker.request(due.instanceId, 'scheduled').catch(() => undefined)
  }
}

const drillDelayMilliseconds = 3_600_000

async function enterNewInstances(trx: Trx, schedule: BackupSchedule, now: Date): Promise<void> {
  const missing = await trx
    .selectFrom('instances')
    .leftJoin('backup_schedules', 'backup_schedules.instance_id', 'instances.id')
    .select(['instances.id', 'instances.organization_id'])
    .where('backup_schedules.instance_id', 'is', null)
    .where('instances.desired_state', '<>', 'deleted')
    .execute()
  if (missing.length === 0) return
  await trx
    .insertInto('backup_schedules')
    .values(
      missing.map(({ id, organization_id }) => {
        const next = nextBackupAt(now, id, schedule)
        // At night as well, and when that night's backup is there.
        const drillAt = new Date(next.getTime() + drillDelayMilliseconds)
        return { instance_id: id, organization_id, next_at: next, drill_at: drillAt }
      }),
    )
    .onConflict((conflict) => conflict.doNothing())
    .execute()
}

async function claimDue(
  trx: Trx,
  schedule: BackupSchedule,
  now: Date,
): Promise<{ instanceId: string; changed: boolean } | undefined> {
  const due = await trx
    .selectFrom('backup_schedules')
    .innerJoin('instances', 'instances.id', 'backup_schedules.instance_id')
    .select(['backup_schedules.instance_id', hasChanged.as('changed')])
    .where('backup_schedules.next_at', '<=', now)
    .orderBy('backup_schedules.next_at')
    .limit(1)
    .forUpdate('backup_schedules')
    .skipLocked()
    .executeTakeFirst()
  if (!due) return undefined
  await trx
    .updateTable('backup_schedules')
    .set({ next_at: nextBackupAt(now, due.instance_id, schedule) })
    .where('instance_id', '=', due.instance_id)
    .execute()
  return { instanceId: due.instance_id, changed: due.changed }
}

/** A turn, something that a person did, or a checkpoint since the newest full backup, or no such backup. */
const hasChanged = sql<boolean>`instances.desired_state <> 'deleted' and (
  with newest as (select max(started_at) as at from backups
    where backups.instance_id = instances.id and kind = 'full' and state = 'complete')
  select newest.at is null
    or ${isUsedSince(sql.ref('newest.at'))}
    or exists (select from backups where backups.instance_id = instances.id and kind = 'checkpoint'
      and started_at > newest.at)
  from newest)`
