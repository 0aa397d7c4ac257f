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
  const { rows } = await sql<{ id: string; version: number }>`
    select meters.instance_id as id, (
        select max(version) from price_lists where effective_from <= meters.charged_until
      ) as version
    from runtime_meters meters where meters.instance_id = any(${metered.map(({ instance }) => instance.id)}::uuid[])
    `.execute(trx)
  // Before the first list nothing had a price that anybody could have known.
  const other = rows.filter(({ version }) => version !== null && version !== prices.version)
  if (other.length === 0) return new Map()
  const lists = await trx
    .selectFrom('price_lists')
    .select(['version', 'prices as list'])
    .where('version', 'in', [...new Set(other.map(({ version }) => version))])
    .execute()
  // Each was found a moment ago, and lists are never deleted.
  return new Map(other.map(({ id, version }) => [id, lists.find((one) => one.version === version) as Prices]))
}
