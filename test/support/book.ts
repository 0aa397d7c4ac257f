import type { Selectable } from 'kysely'
import type { Database } from '../../src/db/database.ts'
import type { Tables } from '../../src/db/schema.ts'

/** An organization's accounts in the ledger, as they are now. Throws while it has none. */
export function readBook(
  database: Pick<Database, 'asSystem'>,
  organizationId: string,
): Promise<Selectable<Tables['ledger_books']>> {
  return database.asSystem((trx) =>
    trx
      .selectFrom('ledger_books')
      .selectAll()
      .where('organization_id', '=', organizationId)
      .executeTakeFirstOrThrow(),
  )
}
