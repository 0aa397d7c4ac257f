import { sql } from 'kysely'
import type { Database } from '../../db/database.ts'
import type { SecretBox } from '../secrets/secret-box.ts'

/** Makes the key pairs that people's backups are encrypted with. */
export interface KeyPairs {
  generate(): Promise<{ recipient: string; identity: string }>
}

/** One key pair per person. The private half leaves its box only for a slot that restores that person's backup. */
export interface BackupKeys {
  /** Made when it is first asked for. */
  recipientOf(userId: string): Promise<string>
  /** Undefined when the person, and with them the key, is gone: then nobody can open their backups any more. */
  identityOf(userId: string): Promise<string | undefined>
}

const contextOf = (userId: string): string => `backup-key/${userId}`

export function createBackupKeys(deps: {
  database: Database
  box: SecretBox
  keyPairs: KeyPairs
}): BackupKeys {
  const { database, box } = deps
  const find = (userId: string) =>
    database.asSystem((trx) =>
      trx
        .selectFrom('backup_keys')
        .select(['recipient', 'sealed_identity'])
        .where('user_id', '=', userId)
        .executeTakeFirst(),
    )
  return {
    recipientOf: async (userId) => {
      const found = await find(userId)
      if (found) return found.recipient
      const { recipient, identity } = await deps.keyPairs.generate()
      const sealed = await box.seal(Buffer.from(identity), contextOf(userId))
      await database.asSystem((trx) =>
        trx
          .insertInto('backup_keys')
          .values({ user_id: userId, recipient, sealed_identity: sealed })
          .onConflict((conflict) => conflict.doNothing())
          .execute(),
      )
      // Whoever was first has made the one that counts.
      const kept = await find(userId)
      if (!kept) throw new Error(`no backup key for ${userId}`)
      return kept.recipient
    },
    identityOf: async (userId) => {
      const found = await find(userId)
      return found && (await box.open(found.sealed_identity, contextOf(userId))).toString()
    },
  }
}

/** Brings every key pair under the key that seals now, as `rewrapSecrets` does with secrets. Returns how many. */
export async function rewrapBackupKeys(deps: {
  database: Database
  box: SecretBox
  onUnusable(error: unknown, userId: string): void
}): Promise<number> {
  const { database, box } = deps
  const rows = await database.asSystem((trx) =>
    trx
      .selectFrom('backup_keys')
      .select(['user_id', 'sealed_identity'])
      .where(sql<string>`split_part(sealed_identity, '.', 2)`, '<>', box.keyId)
      .execute(),
  )
  let count = 0
  for (const { user_id: userId, sealed_identity: before } of rows) {
    const sealed = await box
      .rewrap(before, contextOf(userId))
      .catch((error) => deps.onUnusable(error, userId))
    if (sealed === undefined) continue
    const { numUpdatedRows } = await database.asSystem((trx) =>
      trx
        .updateTable('backup_keys')
        .set({ sealed_identity: sealed })
        .where('user_id', '=', userId)
        .where('sealed_identity', '=', before)
        .executeTakeFirst(),
    )
    count += Number(numUpdatedRows)
  }
  return count
}
