import type { RawBuilder } from 'kysely'
import type { Database } from './database.ts'

/**
 * Repeats a deletion of at most `pageSize` rows until fewer are left, each in a transaction of its own, so that nobody
 * waits long for a lock. Answers how many rows were deleted.
 */
export async function deletePages(
  database: Database,
  pageSize: number,
  deletion: RawBuilder<unknown>,
): Promise<number> {
  for (let count = 0; ; ) {
    const { numAffectedRows } = await database.asSystem((trx) => deletion.execute(trx))
    const deleted = Number(numAffectedRows ?? 0)
    count += deleted
    if (deleted < pageSize) return count
  }
}
