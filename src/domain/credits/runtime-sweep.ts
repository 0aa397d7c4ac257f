import { sql } from 'kysely'
import type { Database, Trx } from '../../db/database.ts'
import type { Listener } from '../../db/listen.ts'
import { every } from '../instances/timers.ts'
import type { PriceList } from './prices.ts'
import { chargeRuntime } from './runtime-billing.ts'
import type { RuntimeTimes } from './runtime-charge.ts'
import { findReplenished } from './runtime-holds.ts'

export interface RuntimeSweep {
  start(): void
  stop(): Promise<void>
}

export interface RuntimeSweepDeps {
  database: Database
  listener: Listener
  prices: { current(): Promise<{ version: number; list: PriceList }> }
  times: RuntimeTimes
  /** These were stopped or may go on: settled at once instead of with the next poll. */
  settle(instanceId: string): Promise<void>
  onError(error: unknown): void
  /** An instance whose credits run out is stopped at most this much late. */
  pollSeconds?: number
}

/** Others see to the rest: what is due stays due until somebody has charged it. */
const organizationsMax = 200
const replenishedSeconds = 5

/** Charges runtime when it is due, and lifts holds when credits come. Any number of control planes may run it. */
export function createRuntimeSweep(deps: RuntimeSweepDeps): RuntimeSweep {
  const { database } = deps
  const changed = new Set<string>()
  const stops: (() => Promise<void> | void)[] = []

  const charge = async (organizationId: string, evenIfNotDue: boolean): Promise<void> => {
    try {
      const prices = await deps.prices.current()
      const charged = await database.asSystem((trx) =>
        chargeRuntime(trx, organizationId, prices, deps.times, evenIfNotDue),
      )
      for (const id of charged.changed) void deps.settle(id).catch(deps.onError)
    } catch (error) {
      // One organization's trouble is not the others'.
      deps.onError(error)
    }
  }

  const chargeDue = async (): Promise<void> => {
    const hinted = [...changed]
    changed.clear()
    for (const organizationId of hinted) await charge(organizationId, true)
    for (const organizationId of await database.asSystem(findDue)) await charge(organizationId, false)
  }

  const liftReplenished = async (): Promise<void> => {
    const { list } = await deps.prices.current()
    const replenished = await database.asSystem((trx) => findReplenished(trx, list, deps.times))
    for (const organizationId of replenished) await charge(organizationId, true)
  }

  return {
    start: () => {
      const due = every(deps.pollSeconds ?? 0.5, chargeDue, deps.onError)
      const replenished = every(replenishedSeconds, liftReplenished, deps.onError)
      const unsubscribe = deps.listener.subscribe('credits_changed', {
        onHint: (organizationId) => {
          changed.add(organizationId)
          due.wake()
        },
        onReconnect: () => replenished.wake(),
      })
      stops.push(unsubscribe, due.stop, replenished.stop)
      void database.asSystem(meterAll).catch(deps.onError)
    },
    stop: async () => {
      await Promise.all(stops.splice(0).map((stop) => stop()))
    },
  }
}

async function findDue(trx: Trx): Promise<string[]> {
  const rows = await trx
    .selectFrom('runtime_windows')
    .select('organization_id')
    .where('charge_at', '<=', sql<Date>`clock_timestamp()`)
    .orderBy('charge_at')
    .limit(organizationsMax)
    .execute()
  return rows.map((row) => row.organization_id)
}

/** What stood still since before there was a meter is settled once, which begins one. */
async function meterAll(trx: Trx): Promise<void> {
  await sql`
    update instances set next_reconcile_at = clock_timestamp()
    where id in (select id from instances where status <> 'deleted' and next_reconcile_at is null
      and not exists (select from runtime_meters where instance_id = instances.id)
      order by id for no key update skip locked)`.execute(trx)
}
