import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import type { TestDatabase } from './database.ts'

/** Resolves once some transaction of this database waits for a lock of another; fails after ten seconds. */
export async function untilBlocked(database: TestDatabase): Promise<void> {
  const admin = new pg.Client({ connectionString: database.adminUrl })
  await admin.connect()
  try {
    const deadline = Date.now() + 10_000
    for (;;) {
      const { rowCount } = await admin.query(
        "select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'",
      )
      if (rowCount) return
      if (Date.now() > deadline) throw new Error('no transaction waits for another')
      await sleep(5)
    }
  } finally {
    await admin.end()
  }
}
