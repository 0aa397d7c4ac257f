import { Readable } from 'node:stream'
import type { BackupOrder } from '../../../supervisor/backup/backups.ts'
import type { BackupFacts, Manifest } from '../../../supervisor/backup/manifest.ts'
import type { Database, Trx } from '../../db/database.ts'
import { notify } from '../../db/notify.ts'
import { conflict, notFound } from '../../errors.ts'
import { isId } from '../../ids.ts'
import { sha256 } from '../../secrets.ts'
import { BlobDiffers, DraftGap } from './blob-store.ts'
import type { BackupKeys } from './keys.ts'
import { hasNoOpenRestore } from './open-restore.ts'
import { type BackupRow, contentKey, databaseNow, insertBackup, manifestKey } from './rows.ts'
import type { ManifestSigner } from './signing.ts'
import { type BackupStores, readText, removeFrom } from './stores.ts'

/** What slots deliver. Each method may be repeated: the answer to the first call may have been lost. */
export interface BackupIntake {
  /**
   * A slot offers to save what its last turns changed. Null: it belongs to nobody, still waits for a backup's state, or
   * that is switched off.
   */
  offerCheckpoint(slotId: string, base: string | null): Promise<BackupOrder | null>
  append(slotId: string, backupId: string, offset: number, part: Buffer): Promise<{ bytes: number }>
  /** Checks what has arrived, publishes it, and writes the manifest last. */
  complete(slotId: string, backupId: string, facts: BackupFacts): Promise<void>
}

export interface BackupIntakeDeps {
  database: Database
  stores: BackupStores
  keys: BackupKeys
  signer: ManifestSigner
  checkpoints: boolean
  /** A backup is complete: copies, retention and whoever waits for it can go on. */
  onComplete(instanceId: string): void
  /** More than this, encrypted, no backup may be: whatever goes on in an instance, this machine's disk is not its. */
  bytesMax: number
}

export function createIntake(deps: BackupIntakeDeps): BackupIntake {
  const { database, stores, signer } = deps

  const getOwn = async (slotId: string, backupId: string): Promise<BackupRow> => {
    const backup = isId(backupId)
      ? await database.asSystem((trx) =>
          trx
            .selectFrom('backups')
            .selectAll()
            .where('id', '=', backupId)
            .where('slot_id', '=', slotId)
            .executeTakeFirst(),
        )
      : undefined
    if (!backup) throw notFound()
    return backup
  }

  const requireRunning = async (slotId: string, backupId: string): Promise<BackupRow> => {
    const backup = await getOwn(slotId, backupId)
    if (backup.state !== 'running')
      throw conflict('backup_over', `This backup is ${backup.state}: it takes nothing more.`)
    return backup
  }

  /** Whoever ends a backup discards its draft; a first part that was on its way then has made it anew. */
  const appendFirst = async (slotId: string, backupId: string, part: Buffer): Promise<number> => {
    const bytes = await stores.local.append(backupId, 0, part)
    await requireRunning(slotId, backupId).catch(async (error: unknown) => {
      await stores.local.discard(backupId)
      throw error
    })
    return bytes
  }

  /** What a crash between the manifest and the row has left: it is complete, whatever the row says. */
  const findManifest = async (backup: BackupRow): Promise<string | undefined> => {
    const text = await readText(stores.local, manifestKey(backup)).catch(() => undefined)
    return text !== undefined && signer.open(text).backupId === backup.id ? text : undefined
  }

  const publish = async (backup: BackupRow, facts: BackupFacts): Promise<string> => {
    try {
      await stores.local.publish(backup.id, contentKey(backup), facts.stored)
    } catch (error) {
      if (!(error instanceof BlobDiffers)) throw error
      await stores.local.discard(backup.id)
      throw conflict('backup_incomplete', `The backup did not arrive whole: ${error.message} Take it again.`)
    }
    const manifest: Manifest = {
      format: 1,
      backupId: backup.id,
      organizationId: backup.organization_id,
      instanceId: backup.instance_id,
      userId: backup.user_id,
      kind: backup.kind,
      baseBackupId: backup.base_backup_id,
      ...facts,
    }
    const text = signer.sign(manifest)
    const bytes = Buffer.from(text)
    await stores.local.put(manifestKey(backup), Readable.from([bytes]), {
      bytes: bytes.length,
      sha256: sha256(text).toString('hex'),
    })
    return text
  }

  /** It was ended while it was published: then nobody would ever find what lies there. */
  const requireComplete = async (slotId: string, { id }: BackupRow): Promise<void> => {
    const backup = await getOwn(slotId, id)
    if (backup.state === 'complete') return
    await removeFrom(stores.local, backup)
    throw conflict('backup_over', `This backup is ${backup.state}: it cannot be completed any more.`)
  }

  return {
    offerCheckpoint: (slotId, base) =>
      deps.checkpoints ? offerCheckpoint(deps, slotId, base) : Promise.resolve(null),

    append: async (slotId, backupId, offset, part) => {
      const backup = await requireRunning(slotId, backupId)
      if (offset + part.length > deps.bytesMax) {
        await stores.local.discard(backup.id)
        throw conflict(
          'backup_too_large',
          'The backup is larger than this Reef keeps. Remove what is not needed, or raise REEF_BACKUP_GIBIBYTES_MAX, and with Docker REEF_DOCKER_DISK_GIBIBYTES.',
        )
      }
      try {
        return {
          bytes: await (offset === 0
            ? appendFirst(slotId, backup.id, part)
            : stores.local.append(backup.id, offset, part)),
        }
      } catch (error) {
        if (error instanceof DraftGap) throw conflict('backup_gap', `${error.message} Take the backup again.`)
        throw error
      }
    },

    complete: async (slotId, backupId, facts) => {
      const backup = await getOwn(slotId, backupId)
      if (backup.state === 'complete') return
      if (backup.state !== 'running')
        throw conflict('backup_over', `This backup is ${backup.state}: it cannot be completed any more.`)
      const text = (await findManifest(backup)) ?? (await publish(backup, facts))
      const completed = await database.asSystem(async (trx) => {
        const row = await trx
          .updateTable('backups')
          .set({
            state: 'complete',
            signed_manifest: text,
            local_key: contentKey(backup),
            stored_bytes: facts.stored.bytes,
            content_bytes: facts.content.bytes,
            file_count: facts.files.count,
            conversation_count: facts.conversations,
            openclaw_version: facts.openclawVersion,
            completed_at: databaseNow,
            lease_until: null,
            ...(stores.remote ? { remote_retry_at: databaseNow } : {}),
          })
          .where('id', '=', backup.id)
          .where('state', '=', 'running')
          .returning('id')
          .executeTakeFirst()
        if (row) await notify(trx, 'instance_changed', backup.instance_id)
        return row !== undefined
      })
      // A part that was sent again while it was published.
      await stores.local.discard(backup.id)
      if (completed) deps.onComplete(backup.instance_id)
      else await requireComplete(slotId, backup)
    },
  }
}

/** How long a checkpoint may wait for turns in flight: each of them brings the next checkpoint anyway. */
const checkpointDrainSeconds = 0

async function offerCheckpoint(
  deps: BackupIntakeDeps,
  slotId: string,
  base: string | null,
): Promise<BackupOrder | null> {
  const { database, keys, stores } = deps
  const instance = await database.asSystem((trx) =>
    trx
      .selectFrom('slots')
      .innerJoin('instances', 'instances.id', 'slots.instance_id')
      .select(['instances.id', 'instances.organization_id', 'instances.owner_user_id'])
      .where('slots.id', '=', slotId)
      .where('instances.desired_state', '<>', 'deleted')
      .where(hasNoOpenRestore)
      .executeTakeFirst(),
  )
  if (!instance) return null
  const recipient = await keys.recipientOf(instance.owner_user_id)
  const { order, superseded } = await database.asSystem(async (trx) => {
    await lockInstance(trx, instance.id)
    const superseded = await endCheckpoints(trx, slotId)
    const baseBackupId =
      base !== null && isId(base) && (await isUsableBase(trx, instance.id, base)) ? base : null
    const backupId = await insertBackup(trx, instance, {
      kind: 'checkpoint',
      reason: 'checkpoint',
      state: 'running',
      slotId,
      baseBackupId,
    })
    const order: BackupOrder = {
      backupId,
      kind: 'checkpoint',
      recipient,
      baseBackupId,
      drainSeconds: checkpointDrainSeconds,
    }
    return { order, superseded }
  })
  for (const id of superseded) await stores.local.discard(id)
  return order
}

/** So that of two offers at once one sees what the other has begun. */
async function lockInstance(trx: Trx, instanceId: string): Promise<void> {
  await trx.selectFrom('instances').select('id').where('id', '=', instanceId).forNoKeyUpdate().execute()
}

/** A slot saves one thing at a time: what it began before it has given up, and its draft only takes room. */
async function endCheckpoints(trx: Trx, slotId: string): Promise<string[]> {
  const ended = await trx
    .updateTable('backups')
    .set({
      state: 'failed',
      failure_code: 'backup_superseded',
      failure_message: 'The instance began the next checkpoint before this one was complete.',
    })
    .where('slot_id', '=', slotId)
    .where('kind', '=', 'checkpoint')
    .where('state', '=', 'running')
    .returning('id')
    .execute()
  return ended.map(({ id }) => id)
}

async function isUsableBase(trx: Trx, instanceId: string, backupId: string): Promise<boolean> {
  const found = await trx
    .selectFrom('backups')
    .select('id')
    .where('id', '=', backupId)
    .where('instance_id', '=', instanceId)
    .where('state', '=', 'complete')
    .where('base_backup_id', 'is', null)
    .executeTakeFirst()
  return found !== undefined
}
