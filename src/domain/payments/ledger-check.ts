import { sql } from 'kysely'
import type { Database } from '../../db/database.ts'
import { formatCredits } from '../credits/credit.ts'

/** Payments whose credits in the ledger are not what payments, refunds and disputes say, a sentence each. */
export async function compareLedger(database: Database, from: Date): Promise<string[]> {
  const rows = await database.asSystem(async (trx) => {
    const result = await sql<{ id: string; expected: number; posted: number }>`
      with changed as (
        select id, organization_id, state, credits from payments where created_at >= ${from}
        union
        select payments.id, payments.organization_id, payments.state, payments.credits from payments
        join payment_refunds refunds on refunds.payment_id = payments.id where refunds.updated_at >= ${from}
        union
        select payments.id, payments.organization_id, payments.state, payments.credits from payments
        join payment_disputes disputes on disputes.payment_id = payments.id where disputes.updated_at >= ${from}
      ), compared as (
        select changed.id,
          case when state = 'paid' then credits else 0 end
            - coalesce((select sum(refunds.credits - case when refunds.state = 'returned' then refunds.taken else 0 end)
                from payment_refunds refunds where refunds.payment_id = changed.id), 0)
            - coalesce((select sum(case when disputes.state = 'lost' then disputes.credits else disputes.written_off end)
                from payment_disputes disputes where disputes.payment_id = changed.id), 0)
            - coalesce((select sum(case when disputes.state = 'open' then disputes.frozen else 0 end)
                from payment_disputes disputes where disputes.payment_id = changed.id), 0) as expected,
          coalesce((select sum(case
                when transfers.credit = 'available' then transfers.amount
                when transfers.debit in ('available', 'written_off') then -transfers.amount
                else 0 end)
              from ledger_transfers transfers
              where transfers.organization_id = changed.organization_id
                and transfers.reference = changed.id::text
                and transfers.operation in ('purchase', 'refund', 'freeze', 'unfreeze', 'forfeit')), 0)
            as posted
        from changed
      )
      select id, expected::bigint as expected, posted::bigint as posted from compared where expected <> posted`.execute(
      trx,
    )
    return result.rows
  })
  return rows.map(
    ({ id, expected, posted }) =>
      `Payment ${id} should stand for ${formatCredits(expected)} credits, and the ledger has ${formatCredits(posted)} for it.`,
  )
}
