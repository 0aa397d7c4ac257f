import { sql } from 'kysely'
import type { Trx } from '../../db/database.ts'
import { ReefError } from '../../errors.ts'
import { findHeld, holdsInstance } from './budgets.ts'
import { formatCredits } from './credit.ts'
import { holdError, holdReason } from './holds.ts'
import type { PriceList, RuntimePrice } from './prices.ts'
import { costOfFirstWindow, type RuntimeTimes } from './runtime-charge.ts'
import { runtimePriceOf } from './runtime-price.ts'

/** Whom a launch is for. */
export interface Launcher {
  organizationId: string
  ownerUserId: string
  plan: string
  /** Null for one that is about to be made. */
  instanceId: string | null
}

/**
 * Asked in the transaction that lets an instance run: throws `paymentRequired` when there are no credits for its first
 * window, or a budget that concerns it is spent.
 */
export type LaunchCheck = (trx: Trx, launcher: Launcher) => Promise<void>

export interface LaunchCredits {
  /** Prices are read before the transaction begins, which must not wait for another connection. */
  prepare(): Promise<LaunchCheck>
}

export function createLaunchCredits(deps: {
  prices: { current(): Promise<{ list: PriceList }> }
  times: RuntimeTimes
}): LaunchCredits {
  return {
    prepare: async () => {
      const { list } = await deps.prices.current()
      return async (trx, launcher) => {
        const price = runtimePriceOf(list, launcher.plan)
        if (price.running > 0) await requireAvailable(trx, launcher.organizationId, price, deps.times)
        // As much as those that a budget holds need to go on.
        const first = Math.max(1, costOfFirstWindow(price, deps.times))
        const held = await findHeld(trx, launcher.organizationId, first)
        const own = { id: launcher.instanceId ?? '', ownerUserId: launcher.ownerUserId }
        if (held.some((budget) => holdsInstance(budget, own))) throw holdError('budget')
      }
    },
  }
}

async function requireAvailable(
  trx: Trx,
  organizationId: string,
  price: RuntimePrice,
  times: RuntimeTimes,
): Promise<void> {
  const book = await trx
    .selectFrom('ledger_books')
    .select('available')
    .where('organization_id', '=', organizationId)
    .executeTakeFirst()
  const available = book?.available ?? 0
  const needed = costOfFirstWindow(price, await findRunningTimes(trx, organizationId, times))
  if (available >= needed) return
  throw new ReefError('paymentRequired', {
    code: holdReason('credits').code,
    message:
      `There are ${formatCredits(available)} credits left, and starting takes ${formatCredits(needed)}. ` +
      'Buy credits on the page Credits, or ask the operator of this Reef for some, then start it again.',
  })
}

/** What already runs was promised time that what begins now must not shorten, so it pays for as much. */
async function findRunningTimes(
  trx: Trx,
  organizationId: string,
  times: RuntimeTimes,
): Promise<RuntimeTimes> {
  const window = await trx
    .selectFrom('runtime_windows')
    .select(
      sql<number | null>`extract(epoch from covered_until - clock_timestamp())::float8`.as('cover_seconds'),
    )
    .where('organization_id', '=', organizationId)
    .executeTakeFirst()
  const coverSeconds = Math.min(window?.cover_seconds ?? 0, times.windowSeconds + times.leaseSeconds)
  return { ...times, firstSeconds: Math.max(times.firstSeconds, coverSeconds) }
}
