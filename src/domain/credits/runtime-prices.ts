import { sql } from 'kysely'
import type { Trx } from '../../db/database.ts'
import type { Prices } from './price-service.ts'
import type { Metered } from './runtime-locks.ts'

/** By instance, where it is another list than the present one. */
export type PricesBefore = ReadonlyMap<string, Prices>

/**
 * The lists that applied when the time began that is now to be charged: nobody pays a price that came only after what it is
 * asked for. What is measured in one piece is charged at one price, so a new one applies from the next charge on.
 */
export async function findPricesBefore(
  trx: Trx,
  metered: readonly Metered[],
  prices: Prices,
): Promise<PricesBefore> {
  if (metered.length === 0) return new Map()
  // Before the first list nothing had a price that anybody could have known.
  const { rows } = await sql<Prices & { id: string }>`
    select meters.instance_id as id, lists.version, lists.prices as list
    from runtime_meters meters cross join lateral (
      select version, prices from price_lists where effective_from <= meters.charged_until
      order by version desc limit 1
    ) as lists
    where meters.instance_id = any(${metered.map(({ instance }) => instance.id)}::uuid[])
      and lists.version <> ${prices.version}`.execute(trx)
  return new Map(rows.map(({ id, version, list }) => [id, { version, list }]))
}
