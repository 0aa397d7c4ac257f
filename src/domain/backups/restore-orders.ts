import type { Readable } from 'node:stream'
import type { RestoreOrder } from '../../../supervisor/backup/manifest.ts'
import type { Database, Trx } from '../../db/database.ts'
import { notify } from '../../db/notify.ts'
import { conflict, notFound, unavailable } from '../../errors.ts'
import { isId, newId } from '../../ids.ts'
import { BlobMissing } from './blob-store.ts'
import type { BackupKeys } from './keys.ts'
import { type BackupRow, contentKey, databaseNow, findNewest } from './rows.ts'
import { type ManifestSigner, readSigned } from './signing.ts'
import { type BackupStores, readContent } from './stores.ts'

/** What slots fetch to restore a backup, and what they say came of it. */
export interface RestoreOrders {
  find(slotId: string, restoreId: string): Promise<RestoreOrder>
  read(slotId: string, restoreId: string, backupId: string): Promise<Readable>
  report(slotId: string, restoreId: string, outcome: RestoreOutcome): Promise<void>
}

export interface RestoreOutcome {
  outcome: 'succeeded' | 'failed'
  message: string
}

export interface RestoreOrdersDeps {
  database: Database
  stores: BackupStores
  keys: BackupKeys
  signer: ManifestSigner
  onEnd(): void
  onSuccess(instanceId: string): void
  /** A store does not have what a complete backup consists of: the restore waits until it does. */
  onMissing(restore: { organizationId: string; instanceId: string; message: string }): void
  onFailure(restore: { organizationId: string; instanceId: string; message: string; drill: boolean }): void
}

interface Open {
  kind: 'restore' | 'drill'
  id: string
  organization_id: string
  instance_id: string
  backup_id: string
  owner_user_id: string
}

export function createRestoreOrders(deps: RestoreOrdersDeps): RestoreOrders {
  const { database, stores, keys, signer } = deps

  const getOpen = async (slotId: string, id: string): Promise<Open> => {
    const open = isId(id) ? await database.asSystem((trx) => findOpen(trx, slotId, id)) : undefined
    if (!open) throw notFound('no open restore')
    return open
  }

  const getPart = async (open: Open, backupId: string): Promise<BackupRow> => {
    const parts = await database.asSystem((trx) => loadParts(trx, open.backup_id))
    const part = parts.find(({ id }) => id === backupId)
    if (!part) throw notFound('no part of this restore')
    return part
  }

  return {
    find: async (slotId, restoreId) => {
      const open = await getOpen(slotId, restoreId)
      const parts = await database.asSystem((trx) => loadParts(trx, open.backup_id))
      const userId = parts[0]?.user_id ?? ''
      // Whatever a row says: no state of one person ever gets into the instance of another.
      if (userId !== open.owner_user_id) throw conflict('backup_foreign', 'This backup is of another person.')
      const identity = await keys.identityOf(userId)
      if (identity === undefined)
        throw conflict(
          'backup_key_gone',
          'The key of this backup was destroyed: nobody can open it any more.',
        )
      return {
        id: open.id,
        userId,
        publicKey: signer.publicKey,
        identity,
        // Complete ones, which the database lets be without a manifest no more than we do.
        parts: parts.map((part) => readSigned(part.signed_manifest ?? '')),
        drill: open.kind === 'drill',
      }
    },

    read: async (slotId, restoreId, backupId) => {
      const open = await getOpen(slotId, restoreId)
      const part = await getPart(open, backupId)
      try {
        return await readContent(stores, part)
      } catch (error) {
        if (!(error instanceof BlobMissing))
          throw unavailable(
            'backup_store_unavailable',
            'The store of this backup does not answer. Try again later.',
            30,
          )
        // One that retention has removed meanwhile is gone for good, and this says so.
        const kept = await getPart(open, backupId)
        deps.onMissing({
          organizationId: open.organization_id,
          instanceId: open.instance_id,
          message: missingMessage(kept),
        })
        throw unavailable(
          'backup_content_missing',
          'A file of this backup is not where it was put. The restore goes on when it is there again.',
          30,
        )
      }
    },

    report: async (slotId, restoreId, { outcome, message }) => {
      const open = await getOpen(slotId, restoreId)
      const succeeded = outcome === 'succeeded'
      await database.asSystem(async (trx) => {
        if (open.kind === 'drill') await endDrill(trx, open, succeeded, message)
        else await endRestore(trx, open, slotId, succeeded, message)
        if (succeeded)
          await trx
            .updateTable('backups')
            .set({ verified_at: databaseNow, verify_failure: null })
            .where('id', '=', open.backup_id)
            .execute()
        await notify(trx, 'slot_changed', slotId)
        await notify(trx, 'instance_changed', open.instance_id)
      })
      if (succeeded) deps.onSuccess(open.instance_id)
      else
        deps.onFailure({
          organizationId: open.organization_id,
          instanceId: open.instance_id,
          message,
          drill: open.kind === 'drill',
        })
      deps.onEnd()
    },
  }
}

async function findOpen(trx: Trx, slotId: string, id: string): Promise<Open | undefined> {
  const restore = await trx
    .selectFrom('restores')
    .innerJoin('instances', 'instances.id', 'restores.instance_id')
    .select([
      'restores.id',
      'restores.organization_id',
      'restores.instance_id',
      'restores.backup_id',
      'instances.owner_user_id',
    ])
    .where('restores.id', '=', id)
    .where('restores.slot_id', '=', slotId)
    .where('restores.state', '=', 'ordered')
    .executeTakeFirst()
  if (restore) return { kind: 'restore', ...restore }
  const drill = await trx
    .selectFrom('backup_drills')
    .innerJoin('instances', 'instances.id', 'backup_drills.instance_id')
    .select([
      'backup_drills.id',
      'backup_drills.organization_id',
      'backup_drills.instance_id',
      'backup_drills.backup_id',
      'instances.owner_user_id',
    ])
    .where('backup_drills.id', '=', id)
    .where('backup_drills.slot_id', '=', slotId)
    .where('backup_drills.state', '=', 'running')
    .executeTakeFirst()
  return drill && { kind: 'drill', ...drill }
}

function missingMessage(backup: BackupRow): string {
  const places = [
    ...(backup.local_key === null ? [] : ['the directory of backups (REEF_BACKUP_DIR)']),
    ...(backup.remote_key === null ? [] : ['the bucket (REEF_BACKUP_S3_BUCKET)']),
  ]
  return `A restore waits: ${contentKey(backup)} is missing from ${places.join(' and from ')}. Mount it where every control plane finds it, or put the file back; the restore then goes on by itself.`
}

/** In the order of applying. */
async function loadParts(trx: Trx, backupId: string): Promise<BackupRow[]> {
  const find = (id: string) =>
    trx
      .selectFrom('backups')
      .selectAll()
      .where('id', '=', id)
      .where('state', '=', 'complete')
      .executeTakeFirst()
  const last = await find(backupId)
  const base = last?.base_backup_id ? await find(last.base_backup_id) : undefined
  if (!last || (last.base_backup_id !== null && !base))
    throw conflict('backup_gone', 'This backup is not kept any more. Choose another.')
  return base ? [base, last] : [last]
}

async function endDrill(trx: Trx, open: Open, succeeded: boolean, message: string): Promise<void> {
  await trx
    .updateTable('backup_drills')
    .set({ state: succeeded ? 'passed' : 'failed', message, finished_at: databaseNow })
    .where('id', '=', open.id)
    .execute()
  if (!succeeded)
    await trx
      .updateTable('backups')
      .set({ verify_failure: message })
      .where('id', '=', open.backup_id)
      .execute()
}

async function endRestore(
  trx: Trx,
  open: Open,
  slotId: string,
  succeeded: boolean,
  message: string,
): Promise<void> {
  const { kind } = await trx
    .updateTable('restores')
    .set({ state: succeeded ? 'succeeded' : 'failed', message, finished_at: databaseNow })
    .where('id', '=', open.id)
    .returning('kind')
    .executeTakeFirstOrThrow()
  if (!succeeded && kind === 'first') await tryOlder(trx, open, slotId)
}

/**
 * A machine without state that could not take the newest backup takes the one before it, and so on: what is older is
 * still better than nothing. Answers whether there is one: without any the instance starts empty, and its owner is told.
 * Nothing of this is for a backup that a store does not have right now: that one is waited for.
 */
export async function tryOlder(
  trx: Trx,
  open: Pick<Open, 'organization_id' | 'instance_id' | 'backup_id'>,
  slotId: string,
): Promise<boolean> {
  const { completed_at } = await trx
    .selectFrom('backups')
    .select('completed_at')
    .where('id', '=', open.backup_id)
    .executeTakeFirstOrThrow()
  const older = completed_at && (await findNewest(trx, open.instance_id, { before: completed_at }))
  if (!older) return false
  await trx
    .insertInto('restores')
    .values({
      id: newId(),
      organization_id: open.organization_id,
      instance_id: open.instance_id,
      backup_id: older.id,
      kind: 'first',
      state: 'ordered',
      slot_id: slotId,
    })
    .execute()
  return true
}
