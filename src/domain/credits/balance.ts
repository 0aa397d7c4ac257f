import { sql } from 'kysely'
import type { Database, Trx } from '../../db/database.ts'
import type { LedgerAccount } from '../../db/tables/credits.ts'
import { type Principal, requireScope } from '../accounts/principal.ts'
import type { PriceList } from './prices.ts'

/** What an organization has, in micro-credits, and how long it lasts. */
export interface Balance extends Record<LedgerAccount, number> {
  /** What runs now costs, and what the models' answers of the last hour cost. */
  burnPerHour: number
  /** When nothing is left if it goes on like this; null when it does not go down, or not within a century. */
  lastsUntil: Date | null
  /** Why some of its instances may not run though their owners want them to. */
  hold: 'credits' | 'budget' | null
}

export interface Balances {
  /** Every member may know it. */
  get(principal: Principal): Promise<Balance>
}

export interface BalancesDeps {
  database: Database
  prices: { current(): Promise<{ list: PriceList }> }
}

const hourMilliseconds = 3_600_000
const lastsHoursMax = 100 * 365 * 24

export function createBalances({ database, prices }: BalancesDeps): Balances {
  return {
    get: async (principal) => {
      requireScope(principal, 'credits:read')
      const { organizationId } = principal
      const { list } = await prices.current()
      return database.inTenant(organizationId, async (trx) => {
        const accounts = await readAccounts(trx, organizationId)
        const burnPerHour =
          (await modelsOfLastHour(trx, organizationId)) + (await runtimeNow(trx, organizationId, list))
        const hours = (accounts.available + accounts.reserved) / burnPerHour
        return {
          ...accounts,
          burnPerHour,
          lastsUntil:
            burnPerHour > 0 && hours < lastsHoursMax ? new Date(Date.now() + hours * hourMilliseconds) : null,
          hold: await findHold(trx, organizationId),
        }
      })
    },
  }
}

/** All zero for an organization that never had any. */
async function readAccounts(trx: Trx, organizationId: string): Promise<Record<LedgerAccount, number>> {
  const book = await trx
    .selectFrom('ledger_books')
    .select(['available', 'reserved', 'spent', 'frozen', 'refunded', 'granted', 'purchased', 'written_off'])
    .where('organization_id', '=', organizationId)
    .executeTakeFirst()
  return (
    book ?? {
      available: 0,
      reserved: 0,
      spent: 0,
      frozen: 0,
      refunded: 0,
      granted: 0,
      purchased: 0,
      written_off: 0,
    }
  )
}

async function modelsOfLastHour(trx: Trx, organizationId: string): Promise<number> {
  const { cost } = await trx
    .selectFrom('model_calls')
    .select((row) => row.fn.coalesce(row.fn.sum<number>('cost'), sql<number>`0`).as('cost'))
    .where('organization_id', '=', organizationId)
    .where('started_at', '>', sql<Date>`now() - interval '1 hour'`)
    .executeTakeFirstOrThrow()
  // A sum of bigints is a numeric, which comes as text.
  return Number(cost)
}

/** Of all instances, each at its plan's price in the state that it is charged for. */
async function runtimeNow(trx: Trx, organizationId: string, list: PriceList): Promise<number> {
  const running = await trx
    .selectFrom('runtime_meters')
    .innerJoin('instances', 'instances.id', 'runtime_meters.instance_id')
    .select(['instances.plan', 'runtime_meters.state'])
    .where('runtime_meters.organization_id', '=', organizationId)
    .where('runtime_meters.state', 'is not', null)
    .execute()
  return running.reduce(
    (sum, { plan, state }) => sum + (state === null ? 0 : (list.plans[plan]?.[state] ?? 0)),
    0,
  )
}

async function findHold(trx: Trx, organizationId: string): Promise<Balance['hold']> {
  const held = await trx
    .selectFrom('instances')
    .select('credit_hold')
    .distinct()
    .where('organization_id', '=', organizationId)
    .where('credit_hold', 'is not', null)
    .where('desired_state', '<>', 'deleted')
    .execute()
  if (held.some((row) => row.credit_hold === 'credits')) return 'credits'
  return held[0]?.credit_hold ?? null
}
