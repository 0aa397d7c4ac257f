import { sql } from 'kysely'
import { advisoryLocks } from '../../db/advisory-locks.ts'
import type { Database, Trx } from '../../db/database.ts'
import { invalid } from '../../errors.ts'
import { defaultPrices } from './default-prices.ts'
import type { PriceList } from './prices.ts'

/** The prices that apply, and which list they are of. */
export interface Prices {
  version: number
  list: PriceList
}

export interface PriceVersion extends Prices {
  effectiveFrom: Date
  createdAt: Date
  /** The operator who published it; null for what came with Reef. */
  createdBy: string | null
}

export interface PriceService {
  /** What applies now, at most a second old. */
  current(): Promise<Prices>
  /** All of them, newest first: also what applies later, and what has applied before. */
  list(): Promise<PriceVersion[]>
  /**
   * Publishes a list that applies from `effectiveFrom`, or at once. It is never changed afterwards; a newer one replaces
   * it, also when it was still to come. Throws `invalid` for a time in the past or a price that is no price.
   */
  publish(by: { userId: string }, list: PriceList, effectiveFrom: Date | null): Promise<PriceVersion>
}

const ageMillisecondsMax = 1000
const clockSkewMillisecondsMax = 60_000

export function createPrices(database: Database): PriceService {
  let known: { at: number; prices: Promise<Prices> } | undefined

  const read = async (): Promise<Prices> => {
    const row = await database.asSystem(findCurrent)
    const { version, prices } = row ?? (await database.asSystem(insertFirst))
    return { version, list: prices }
  }

  return {
    current: () => {
      const now = performance.now()
      if (known === undefined || now - known.at >= ageMillisecondsMax) {
        const prices = read()
        const asked = { at: now, prices }
        // What could not be read is asked for again by whoever comes next.
        prices.catch(() => {
          if (known === asked) known = undefined
        })
        known = asked
      }
      return known.prices
    },
    list: () =>
      database.asSystem(async (trx) => {
        const rows = await trx.selectFrom('price_lists').selectAll().orderBy('version', 'desc').execute()
        return rows.map(toVersion)
      }),
    publish: async (by, list, effectiveFrom) => {
      assertPrices(list)
      const version = await database.asSystem((trx) => publish(trx, by.userId, list, effectiveFrom))
      known = undefined
      return version
    },
  }
}

function findCurrent(trx: Trx) {
  return trx
    .selectFrom('price_lists')
    .selectAll()
    .where('effective_from', '<=', sql<Date>`clock_timestamp()`)
    .orderBy('version', 'desc')
    .limit(1)
    .executeTakeFirst()
}

/** Several control planes may find an empty table at once; one of them fills it. */
async function insertFirst(trx: Trx) {
  await lockPrices(trx)
  return (
    (await findCurrent(trx)) ??
    (await trx
      .insertInto('price_lists')
      .values({
        effective_from: sql<Date>`clock_timestamp()`,
        prices: JSON.stringify(defaultPrices),
        created_by: null,
      })
      .returningAll()
      .executeTakeFirstOrThrow())
  )
}

async function publish(
  trx: Trx,
  userId: string,
  list: PriceList,
  effectiveFrom: Date | null,
): Promise<PriceVersion> {
  await lockPrices(trx)
  const { rows } = await sql<{ now: Date }>`select clock_timestamp() as now`.execute(trx)
  const { now } = rows[0] as { now: Date }
  // An operator's clock may be a little behind the database's.
  if (effectiveFrom && effectiveFrom.getTime() < now.getTime() - clockSkewMillisecondsMax)
    throw invalid(
      'effectiveFrom',
      'Prices cannot apply to what was used before. Name a time to come, or leave it out.',
    )
  const row = await trx
    .insertInto('price_lists')
    .values({ effective_from: effectiveFrom ?? now, prices: JSON.stringify(list), created_by: userId })
    .returningAll()
    .executeTakeFirstOrThrow()
  return toVersion(row)
}

async function lockPrices(trx: Trx): Promise<void> {
  await sql`select pg_advisory_xact_lock(${advisoryLocks.prices})`.execute(trx)
}

type PriceRow = NonNullable<Awaited<ReturnType<typeof findCurrent>>>

function toVersion(row: PriceRow): PriceVersion {
  return {
    version: row.version,
    list: row.prices,
    effectiveFrom: row.effective_from,
    createdAt: row.created_at,
    createdBy: row.created_by,
  }
}

/** Ten thousand dollars for a million tokens or an hour: what is dearer is a slip, and keeps products far below 2^63. */
const priceMicrosMax = 1_000_000_000_000

function assertPrices(list: PriceList): void {
  const check = (path: string, micros: number): void => {
    if (!Number.isSafeInteger(micros) || micros < 0 || micros > priceMicrosMax)
      throw invalid(path, 'Prices are whole micro-credits from 0 to 1,000,000,000,000.')
  }
  for (const [model, price] of Object.entries(list.models)) {
    if (!/^[^/\s]+\/\S+$/.test(model))
      throw invalid(`prices.models.${model}`, 'Models are named PROVIDER/MODEL, as in OpenClaw.')
    for (const [part, micros] of Object.entries(price)) check(`prices.models.${model}.${part}`, micros)
  }
  for (const [plan, price] of Object.entries(list.plans))
    for (const [state, micros] of Object.entries(price)) check(`prices.plans.${plan}.${state}`, micros)
  check('prices.storagePerGibibyteMonth', list.storagePerGibibyteMonth)
  if (list.egressPerGibibyte !== null) check('prices.egressPerGibibyte', list.egressPerGibibyte)
}
