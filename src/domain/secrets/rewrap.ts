import type { Database } from '../../db/database.ts'
import { sealContext } from './secret.ts'
import type { SecretBox } from './secret-box.ts'

const batchSize = 100

/**
 * Brings every secret under the key that seals now, so that an old key can be thrown away. Values stay as they are.
 * Returns how many were wrapped anew; those whose key is missing stay and are reported.
 */
export async function rewrapSecrets(deps: {
  database: Database
  box: SecretBox
  onUnusable(error: unknown, secretId: string): void
}): Promise<number> {
  const { database, box } = deps
  let count = 0
  let after = '00000000-0000-0000-0000-000000000000'
  for (;;) {
    const rows = await database.asSystem((trx) =>
      trx
        .selectFrom('secrets')
        .select(['id', 'organization_id', 'version', 'sealed'])
        .where('key_id', '<>', box.keyId)
        .where('id', '>', after)
        .orderBy('id')
        .limit(batchSize)
        .execute(),
    )
    for (const row of rows) {
      after = row.id
      const context = sealContext({ organizationId: row.organization_id, id: row.id, version: row.version })
      const sealed = await box.rewrap(row.sealed, context).catch((error) => deps.onUnusable(error, row.id))
      if (sealed === undefined) continue
      const { numUpdatedRows } = await database.asSystem((trx) =>
        trx
          .updateTable('secrets')
          .set({ sealed })
          .where('id', '=', row.id)
          // Whoever gave it a new value meanwhile has sealed that with the current key.
          .where('sealed', '=', row.sealed)
          .executeTakeFirst(),
      )
      count += Number(numUpdatedRows)
    }
    if (rows.length < batchSize) return count
  }
}
