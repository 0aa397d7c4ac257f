import type { Readable } from 'node:stream'
import { BlobMissing, type BlobStore, type DraftStore } from './blob-store.ts'
import { type BackupRow, contentKey, manifestKey } from './rows.ts'

/** Where backups lie: always on this machine first, then in the remote store if there is one. */
export interface BackupStores {
  local: BlobStore & DraftStore
  remote: BlobStore | null
}

/** From wherever it is, the nearest first. Throws a `BlobMissing`. */
export async function readContent(stores: BackupStores, backup: BackupRow): Promise<Readable> {
  if (backup.local_key !== null)
    try {
      return await stores.local.get(backup.local_key)
    } catch (error) {
      if (!(error instanceof BlobMissing) || backup.remote_key === null) throw error
    }
  if (backup.remote_key !== null && stores.remote) return stores.remote.get(backup.remote_key)
  throw new BlobMissing(contentKey(backup))
}

/** The manifest first: nobody may find one whose content is gone. */
export async function removeFrom(
  store: BlobStore,
  backup: Pick<BackupRow, 'user_id' | 'instance_id' | 'id'>,
): Promise<void> {
  await store.delete(manifestKey(backup))
  await store.delete(contentKey(backup))
}

export async function readText(store: BlobStore, key: string): Promise<string> {
  let text = ''
  for await (const chunk of await store.get(key)) text += chunk.toString()
  return text
}
