import { sql } from 'kysely'
import type { Database } from '../../db/database.ts'
import { deletePages } from '../../db/delete-pages.ts'
import { newId } from '../../ids.ts'
import { applyOperations } from './ledger-store.ts'

const pageSize = 500
/** Closed reservations explain what happened lately; the transfers stay for good. */
const keptDays = 7

/**
 * Gives back what is held longer than it was to be: whoever held it is gone. Any number of control planes may do so, and
 * what is settled or prolonged at the same moment is left alone. Answers of how many something came back.
 */
export async function expireReservations(database: Database): Promise<number> {
  for (let count = 0; ; ) {
    const expired = await database.asSystem((trx) =>
      trx
        .selectFrom('ledger_reservations')
        .select(['id', 'organization_id'])
        .where('closed_at', 'is', null)
        .where('expires_at', '<=', sql<Date>`now()`)
        .orderBy('expires_at')
        .limit(pageSize)
        .execute(),
    )
    if (expired.length === 0) return count
    const outcomes = await database.asSystem((trx) =>
      applyOperations(
        trx,
        expired.map(({ id, organization_id }) => ({
          kind: 'expire',
          organizationId: organization_id,
          // A new one each time: it may be held again and expire again, and what has expired does so only once by itself.
          key: `expire:${newId()}`,
          reservationId: id,
          amount: 0,
        })),
      ),
    )
    count += outcomes.filter((outcome) => outcome.done && outcome.receipt.transfers.length > 0).length
    if (expired.length < pageSize) return count
  }
}

/** Answers how many were forgotten. */
export function forgetReservations(database: Database): Promise<number> {
  return deletePages(
    database,
    pageSize,
    sql`delete from ledger_reservations where id in (
      select id from ledger_reservations
      where closed_at < now() - make_interval(days => ${keptDays})
      limit ${pageSize} for update skip locked)`,
  )
}
