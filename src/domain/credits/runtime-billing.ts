import { sql } from 'kysely'
import { earlier } from '../../clock.ts'
import type { Trx } from '../../db/database.ts'
import { newId } from '../../ids.ts'
import { applyOperations } from './ledger-store.ts'
import type { Operation } from './operation.ts'
import type { Prices } from './price-service.ts'
import { type BudgetHolds, chargeBudgets, noBudgets } from './runtime-budget-holds.ts'
import { type ChargeDecision, type ChargeLine, decideCharge, type RuntimeTimes } from './runtime-charge.ts'
import { applyHolds } from './runtime-holds.ts'
import {
  findHeldFor,
  lockBook,
  lockBudgets,
  lockInstances,
  lockWindow,
  type Metered,
  type Window,
} from './runtime-locks.ts'
import { runtimePriceOf } from './runtime-price.ts'
import { findPricesBefore, type PricesBefore } from './runtime-prices.ts'
import { lockMeters, meterOf, writeMeter } from './runtime-store.ts'

/** Instances that were stopped by a charge or may go on by it: whoever settles them does so at once. */
export interface Charged {
  changed: string[]
}

const nothing: Charged = { changed: [] }

/**
 * Charges an organization for what was measured, holds credits for what comes, and stops or resumes its instances by
 * what there is: all of it in the caller's transaction, so that whatever dies in between, nothing is charged twice or
 * lost. Any number of control planes may call it at once; who comes second finds nothing due. `evenIfNotDue` is for
 * when credits or budgets have changed.
 */
export async function chargeRuntime(
  trx: Trx,
  organizationId: string,
  prices: Prices,
  times: RuntimeTimes,
  evenIfNotDue = false,
): Promise<Charged> {
  const instances = await lockInstances(trx, organizationId)
  const meters = await lockMeters(
    trx,
    instances.map(({ id }) => id),
  )
  const window = await lockWindow(trx, organizationId)
  if (window === undefined || (!window.is_due && !evenIfNotDue)) return nothing
  const metered = instances.flatMap((instance) => {
    const row = meters.get(instance.id)
    return row ? [{ instance, row }] : []
  })
  const before = await findPricesBefore(trx, metered, prices)
  const hasBudgets = await lockBudgets(trx, organizationId)
  const book = await lockBook(trx, organizationId)
  const decision = decideCharge(
    {
      instances: metered.map(({ instance, row }) => ({
        instanceId: instance.id,
        meter: meterOf(row),
        price: runtimePriceOf(prices.list, instance.plan),
        priceBefore: runtimePriceOf((before.get(instance.id) ?? prices).list, instance.plan),
        starts: instance.status === 'provisioning' && instance.credit_hold === null,
      })),
      held: await findHeldFor(trx, window.reservation_id),
      available: book.available,
      onHold: isOnHold(metered),
      hasBudgets,
      now: window.now.getTime(),
    },
    times,
  )
  const sequence = window.sequence + 1
  if (decision.lines.length > 0)
    await writeUsage(trx, { organizationId, prices, before, window, metered }, decision)
  const budgets = hasBudgets
    ? await chargeBudgets(trx, { organizationId, window, sequence, metered, decision, prices, times })
    : noBudgets
  await post(trx, operationsOf(organizationId, window, sequence, decision))
  for (const one of metered) await writeMetered(trx, one, { decision, budgets, now: window.now })
  const changed = await applyHolds(trx, { instances, window, book, decision, budgets, prices, times })
  await writeWindow(trx, window, sequence, { decision, budgets, ...changed })
  return { changed: changed.instanceIds }
}

/** Its owner may have started one of them again since; then the others wait for credits, and this one goes on. */
function isOnHold(metered: readonly Metered[]): boolean {
  return (
    metered.some(({ instance }) => instance.credit_hold === 'credits') &&
    !metered.some(
      ({ instance, row }) =>
        instance.credit_hold === null && row.state !== 'stored' && instance.status !== 'deleted',
    )
  )
}

interface UsageContext {
  organizationId: string
  prices: Prices
  before: PricesBefore
  window: Window
  metered: readonly Metered[]
}

async function writeUsage(trx: Trx, context: UsageContext, { lines }: ChargeDecision): Promise<void> {
  const { organizationId, prices, before, window, metered } = context
  const sessions = await findSessions(trx, [...new Set(lines.map(({ instanceId }) => instanceId))])
  const known = new Map(metered.map((one) => [one.instance.id, one]))
  // Lines are made from these instances.
  const of = (line: ChargeLine) => known.get(line.instanceId) as Metered
  await trx
    .insertInto('runtime_usage')
    .values(
      lines.map((line) => ({
        id: newId(),
        organization_id: organizationId,
        instance_id: line.instanceId,
        session_id: line.state === 'stored' ? null : (sessions.get(line.instanceId) ?? null),
        user_id: of(line).instance.owner_user_id,
        agent_id: null,
        task_id: null,
        plan: of(line).instance.plan,
        state: line.state,
        window_start: of(line).row.charged_until,
        window_end: window.now,
        milliseconds: line.ms,
        price_version: (before.get(line.instanceId) ?? prices).version,
        cost: line.cost,
      })),
    )
    .execute()
}

/** The session that the time was part of: the newest. */
async function findSessions(trx: Trx, instanceIds: readonly string[]): Promise<Map<string, string>> {
  const rows = await trx
    .selectFrom('sessions')
    .distinctOn('instance_id')
    .select(['instance_id', 'id'])
    .where('instance_id', 'in', [...instanceIds])
    .orderBy('instance_id')
    .orderBy('opened_at', 'desc')
    .execute()
  return new Map(rows.map((row) => [row.instance_id, row.id]))
}

/** What the ledger would not do was not charged: the transaction ends, and with it the rows that say so. */
async function post(trx: Trx, operations: readonly Operation[]): Promise<void> {
  for (const [index, outcome] of (await applyOperations(trx, operations)).entries())
    if (!outcome.done) throw new Error(`${operations[index]?.key} was refused: ${outcome.refusal.code}`)
}

/** The sequence is written in the same transaction, so a charge that is tried again carries the same keys. */
function operationsOf(
  organizationId: string,
  window: Window,
  sequence: number,
  { cost, release, reserve, coveredUntil }: ChargeDecision,
): Operation[] {
  const shared = { organizationId, reservationId: window.reservation_id }
  const operations: Operation[] = []
  if (cost > 0 || release)
    operations.push({
      ...shared,
      kind: 'settle',
      key: `runtime:${sequence}:settle`,
      amount: cost,
      close: release,
      note: 'Runtime',
    })
  if (reserve > 0)
    operations.push({
      ...shared,
      kind: 'reserve',
      key: `runtime:${sequence}:reserve`,
      purpose: 'runtime',
      amount: reserve,
      atLeast: 0,
      expiresAt: new Date((coveredUntil ?? window.now.getTime()) + reservationSeconds * 1000),
      note: 'Runtime',
    })
  return operations
}

/** A control plane that is away for so long has let all of its instances stop. */
const reservationSeconds = 24 * 3600

async function writeMetered(
  trx: Trx,
  { instance, row }: Metered,
  { decision, budgets, now }: { decision: ChargeDecision; budgets: BudgetHolds; now: Date },
): Promise<void> {
  if (instance.status === 'deleted' && row.state === null) {
    await trx.deleteFrom('runtime_meters').where('instance_id', '=', instance.id).execute()
    return
  }
  const meter = decision.meters.get(instance.id)
  if (!meter) return
  const charge = { chargedUntil: now, budgetUntil: budgets.coveredUntil(instance.id) }
  await writeMeter(trx, { id: instance.id, organizationId: instance.organization_id }, meter, charge)
}

async function writeWindow(
  trx: Trx,
  window: Window,
  sequence: number,
  {
    decision,
    budgets,
    holdInflow,
  }: { decision: ChargeDecision; budgets: BudgetHolds; holdInflow: number | null },
): Promise<void> {
  const at = (time: number | null) => (time === null ? null : new Date(time))
  await trx
    .updateTable('runtime_windows')
    .set({
      sequence,
      charge_at: at(earlier(decision.chargeAt, budgets.chargeAt)),
      covered_until: at(decision.coveredUntil),
      hold_inflow: holdInflow,
      updated_at: sql<Date>`clock_timestamp()`,
    })
    .where('organization_id', '=', window.organization_id)
    .execute()
}
