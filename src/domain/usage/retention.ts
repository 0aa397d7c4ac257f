import { sql } from 'kysely'
import type { Database } from '../../db/database.ts'
import { deletePages } from '../../db/delete-pages.ts'
import { firstIdOf } from '../../ids.ts'

const pageSize = 5_000
const dayMilliseconds = 24 * 3600 * 1000

/** Of each table, the rows that are over and that nobody may ask for any more. */
const forgotten = {
  model_calls: sql`outcome <> 'pending'`,
  runtime_usage: sql`true`,
  alerts: sql`key is null or cleared_at is not null`,
}

/**
 * Forgets what was used, and of what people were told, longer ago than `keptDays`. Whatever it cost stays in the ledger.
 * Any number of control planes may do it at once. Answers how many rows.
 */
export async function forgetUsage(database: Database, keptDays: number, now = new Date()): Promise<number> {
  // Ids begin with the time at which they were made, and are indexed.
  const before = firstIdOf(new Date(now.getTime() - keptDays * dayMilliseconds))
  let count = 0
  for (const [table, isOver] of Object.entries(forgotten))
    count += await deletePages(
      database,
      pageSize,
      sql`delete from ${sql.table(table)} where id in (
        select id from ${sql.table(table)} where id < ${before} and (${isOver})
        order by id limit ${pageSize})`,
    )
  return count
}
