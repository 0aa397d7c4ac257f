import { sql } from 'kysely'
import type { Trx } from './database.ts'
import type { Channel } from './listen.ts'

/** Hints listeners, once the transaction commits, that this row is worth a look. Equal hints coalesce. */
export async function notify(trx: Trx, channel: Channel, id: string): Promise<void> {
  await sql`select pg_notify(${channel}, ${id})`.execute(trx)
}
