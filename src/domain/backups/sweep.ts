import { type ExpressionBuilder, sql } from 'kysely'
import type { Database } from '../../db/database.ts'
import { deletePages } from '../../db/delete-pages.ts'
import type { Tables } from '../../db/schema.ts'
import type { BackupState } from '../../db/tables/backups.ts'
import { firstIdOf } from '../../ids.ts'
import { anchorsPrefix } from '../credits/anchor-file.ts'
import type { BlobStore } from './blob-store.ts'
import { decideRetention, type KeptBackup, type RetentionPolicy } from './retention.ts'
import { type BackupRow, manifestKey } from './rows.ts'
import { type BackupStores, removeFrom } from './stores.ts'

/** The part of the policy that is set; the rest depends on the instance and the stores. */
export type RetentionTimes = Pick<RetentionPolicy, 'localDays' | 'remoteDays' | 'checkpoints'>

const dayMs = 86_400_000
const forgottenAtOnce = 1_000

/** Removes what is older than it has to be kept, row by row: a store that is away is asked again by the next sweep. */
export async function applyRetention(
  database: Database,
  stores: BackupStores,
  policy: RetentionTimes,
  now: Date,
  /** One instance alone, or all. */
  instanceId?: string,
): Promise<void> {
  const rows = await database.asSystem((trx) =>
    trx
      .selectFrom('backups')
      .innerJoin('instances', 'instances.id', 'backups.instance_id')
      .selectAll('backups')
      .select('instances.desired_state')
      .select((expression) => lastMissed(expression).as('missed_at'))
      .where('backups.state', '=', 'complete')
      .$if(instanceId !== undefined, (query) => query.where('backups.instance_id', '=', instanceId as string))
      .orderBy('backups.instance_id')
      .execute(),
  )
  for (const backups of Map.groupBy(rows, (row) => row.instance_id).values()) {
    const { dropLocal, dropRemote } = decideRetention(backups.map(toKept), now, {
      ...policy,
      hasRemote: stores.remote !== null,
      keepLast: backups[0]?.desired_state !== 'deleted',
    })
    for (const backup of backups) {
      const local = dropLocal.includes(backup.id)
      const remote = dropRemote.includes(backup.id) && stores.remote !== null
      if (local || remote) await drop(database, stores, backup, { local, remote })
    }
  }
}

/** Of restores that wait for the backup, and of machines that began without it. */
function lastMissed(expression: ExpressionBuilder<Tables, 'backups'>) {
  return expression
    .selectFrom('restores')
    .select((restore) => restore.fn.max(restore.fn.coalesce('finished_at', 'requested_at')).as('at'))
    .whereRef('restores.backup_id', '=', 'backups.id')
    .where((where) =>
      where.or([
        where('restores.state', 'in', ['securing', 'ordered']),
        where.and([where('restores.kind', '=', 'first'), where('restores.state', '=', 'failed')]),
      ]),
    )
}

async function drop(
  database: Database,
  stores: BackupStores,
  backup: BackupRow,
  which: { local: boolean; remote: boolean },
): Promise<void> {
  if (which.local) await removeFrom(stores.local, backup)
  if (which.remote && stores.remote) await removeFrom(stores.remote, backup)
  await database.asSystem((trx) =>
    trx
      .updateTable('backups')
      .set((expression) => {
        // As the row is by now: a copy may have reached the remote store since it was read.
        const localKey = which.local ? sql<null>`null` : expression.ref('local_key')
        const remoteKey = which.remote ? sql<null>`null` : expression.ref('remote_key')
        return {
          local_key: localKey,
          remote_key: remoteKey,
          ...(which.local ? { remote_retry_at: null } : {}),
          state: sql<BackupState>`case when coalesce(${localKey}, ${remoteKey}) is null then 'deleted' else state end`,
        }
      })
      .where('id', '=', backup.id)
      .execute(),
  )
}

function toKept(row: BackupRow & { missed_at: Date | null }): KeptBackup {
  return {
    id: row.id,
    kind: row.kind,
    baseBackupId: row.base_backup_id,
    // The table's check: a complete one has it.
    completedAt: row.completed_at as Date,
    local: row.local_key !== null,
    remote: row.remote_key !== null,
    broken: row.verify_failure !== null,
    missedAt: row.missed_at,
  }
}

/** Checkpoints that came to nothing a day ago. No backup builds on them, and nobody can restore them. */
export async function forgetFailedCheckpoints(database: Database, now: Date): Promise<void> {
  // Ids begin with the time at which they were made.
  const before = firstIdOf(new Date(now.getTime() - dayMs))
  await deletePages(
    database,
    forgottenAtOnce,
    sql`delete from backups where id in (
      select id from backups where kind = 'checkpoint' and state = 'failed' and id < ${before}
      order by id limit ${forgottenAtOnce})`,
  )
}

/**
 * Removes what no row knows any more: of people who were deleted, and what a crash left between a store and the
 * database. Younger than a day may still be on its way into a row.
 */
export async function removeUnknown(database: Database, store: BlobStore, now: Date): Promise<void> {
  const limit = new Date(now.getTime() - dayMs)
  await store.removeAbandoned(limit)
  for await (const { key, modifiedAt } of store.list('')) {
    // The ledger's anchors lie beside backups in the remote store, and are kept for good.
    if (modifiedAt > limit || key.startsWith(anchorsPrefix)) continue
    const id = /([^/]+?)(\.age|\.manifest\.json)$/.exec(key)?.[1]
    if (id === undefined || !(await isKnown(database, id, key))) await store.delete(key)
  }
}

async function isKnown(database: Database, id: string, key: string): Promise<boolean> {
  const row = await database.asSystem((trx) =>
    trx
      .selectFrom('backups')
      .select(['id', 'user_id', 'instance_id', 'local_key', 'remote_key'])
      .where('id', '=', id)
      .executeTakeFirst(),
  )
  if (!row) return false
  const isKept = row.local_key !== null || row.remote_key !== null
  return isKept && [row.local_key, row.remote_key, manifestKey(row)].includes(key)
}
