import { Readable } from 'node:stream'
import { sql } from 'kysely'
import type { Database, Trx } from '../../db/database.ts'
import { sha256 } from '../../secrets.ts'
import type { Logger } from '../../telemetry/log.ts'
import type { Alarms } from './alarms.ts'
import type { BlobStore } from './blob-store.ts'
import { type BackupRow, contentKey, manifestKey } from './rows.ts'
import type { ManifestSigner } from './signing.ts'
import { type BackupStores, removeFrom } from './stores.ts'

export interface CopiesDeps {
  database: Database
  stores: BackupStores
  signer: ManifestSigner
  alarms: Alarms
  log: Logger
}

const leaseSeconds = 3_600
const retrySecondsMin = 30
const retrySecondsMax = 3_600

/**
 * Copies what the remote store does not have yet, one after the other, until nothing is due. While the store is away
 * everything stays on this machine, is tried again with growing pauses, and an alarm says so.
 */
export async function copyToRemote(deps: CopiesDeps): Promise<void> {
  const { remote } = deps.stores
  if (!remote) return
  for (;;) {
    const backup = await deps.database.asSystem(claimDue)
    if (!backup) return
    try {
      await copy(deps, remote, backup)
      await deps.alarms.clear('remote_unavailable', null)
    } catch (error) {
      await postpone(deps, backup, error)
      // The store is away for the others as well; each would wait for its own time-out.
      return
    }
  }
}

async function claimDue(trx: Trx): Promise<BackupRow | undefined> {
  const { rows } = await sql<BackupRow>`update backups
    set remote_retry_at = clock_timestamp() + make_interval(secs => ${leaseSeconds})
    where id = (select id from backups where state = 'complete' and local_key is not null
      and remote_retry_at < clock_timestamp() order by remote_retry_at limit 1 for update skip locked)
    returning *`.execute(trx)
  return rows[0]
}

async function copy(
  { database, stores, signer }: CopiesDeps,
  remote: BlobStore,
  backup: BackupRow,
): Promise<void> {
  const text = backup.signed_manifest ?? ''
  const { stored } = signer.open(text)
  const content = await stores.local.get(contentKey(backup))
  // A store that is away has not read it to its end, and would leave the file open.
  await remote.put(contentKey(backup), content, stored).finally(() => content.destroy())
  const bytes = Buffer.from(text)
  await remote.put(manifestKey(backup), Readable.from([bytes]), {
    bytes: bytes.length,
    sha256: sha256(text).toString('hex'),
  })
  const kept = await database.asSystem((trx) =>
    trx
      .updateTable('backups')
      .set({ remote_key: contentKey(backup), remote_retry_at: null, remote_attempts: 0 })
      .where('id', '=', backup.id)
      .where('state', '=', 'complete')
      .returning('id')
      .executeTakeFirst(),
  )
  // Retention has removed the backup meanwhile, and looks for no copy of it any more.
  if (!kept) await removeFrom(remote, backup)
}

async function postpone(
  { database, alarms, log }: CopiesDeps,
  backup: BackupRow,
  error: unknown,
): Promise<void> {
  const seconds = Math.min(retrySecondsMax, retrySecondsMin * 2 ** Math.min(backup.remote_attempts, 10))
  log.warn({ err: error, backupId: backup.id, seconds }, 'a backup could not be copied to the remote store')
  const kept = await database.asSystem((trx) =>
    trx
      .updateTable('backups')
      .set((expression) => ({
        remote_attempts: expression('remote_attempts', '+', 1),
        remote_retry_at: sql<Date>`clock_timestamp() + make_interval(secs => ${seconds})`,
      }))
      .where('id', '=', backup.id)
      .where('state', '=', 'complete')
      .returning('id')
      .executeTakeFirst(),
  )
  // One that retention has removed meanwhile says nothing about the remote store.
  if (!kept) return
  await alarms.raise({
    kind: 'remote_unavailable',
    organizationId: null,
    instanceId: null,
    message:
      'The remote store of backups does not take copies. They are kept on this machine and tried again.',
  })
}
