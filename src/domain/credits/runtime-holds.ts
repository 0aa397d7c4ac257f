import { sql } from 'kysely'
import type { Trx } from '../../db/database.ts'
import { hold, inflowOfBooks, lift } from './holds.ts'
import type { PriceList } from './prices.ts'
import type { BudgetHolds } from './runtime-budget-holds.ts'
import { type ChargeDecision, costOfFirstWindow, type RuntimeTimes } from './runtime-charge.ts'
import type { BookFacts, ChargedInstance, Window } from './runtime-locks.ts'
import { runtimePriceOf } from './runtime-price.ts'

interface HoldContext {
  instances: readonly ChargedInstance[]
  window: Window
  book: BookFacts
  decision: ChargeDecision
  budgets: BudgetHolds
  prices: { list: PriceList }
  times: RuntimeTimes
}

/** Stops and resumes an organization's instances by what a charge has left. */
export async function applyHolds(
  trx: Trx,
  context: HoldContext,
): Promise<{ instanceIds: string[]; holdInflow: number | null }> {
  const { instances, window, book, decision, budgets } = context
  const idsOf = (which: (instance: ChargedInstance) => boolean) => instances.filter(which).map(({ id }) => id)
  if (decision.exhausted) {
    const instanceIds = await hold(
      trx,
      idsOf(({ status }) => status !== 'deleted'),
      'credits',
    )
    return { instanceIds, holdInflow: book.inflow }
  }
  const changed: string[] = []
  // What was paid back or frozen meanwhile need not come in again before anything may go on.
  let holdInflow = window.hold_inflow === null ? null : Math.min(window.hold_inflow, book.inflow)
  if (mayResume(context)) {
    changed.push(
      ...(await lift(
        trx,
        idsOf(({ credit_hold }) => credit_hold === 'credits'),
        'credits',
      )),
    )
    holdInflow = null
  }
  changed.push(
    ...(await lift(
      trx,
      idsOf((one) => one.credit_hold === 'budget' && budgets.mayResume(one)),
      'budget',
    )),
    ...(await hold(
      trx,
      idsOf((one) => one.status !== 'deleted' && budgets.isSpent(one)),
      'budget',
    )),
  )
  return { instanceIds: changed, holdInflow }
}

/** Credits have come in since they were stopped, and enough of them for any one to begin. */
function mayResume({ instances, window, book, decision, prices, times }: HoldContext): boolean {
  if (window.hold_inflow === null || book.inflow <= window.hold_inflow) return false
  const plans = instances.filter(({ credit_hold }) => credit_hold === 'credits').map(({ plan }) => plan)
  return book.available - decision.cost >= neededToBegin(plans, prices.list, times)
}

function neededToBegin(plans: readonly string[], list: PriceList, times: RuntimeTimes): number {
  return Math.max(0, ...plans.map((plan) => costOfFirstWindow(runtimePriceOf(list, plan), times)))
}

/**
 * Organizations whose held instances may go on with the credits that came since, or from whom some were taken. Those to
 * whom too few came are left alone until there are more: each charge writes rows, and would lift nothing.
 */
export async function findReplenished(trx: Trx, list: PriceList, times: RuntimeTimes): Promise<string[]> {
  const { rows } = await sql<ChangedBook>`
    select windows.organization_id, books.available, ${inflowOfBooks} < windows.hold_inflow as is_less,
      array(
        select distinct instances.plan from instances
        join runtime_meters on runtime_meters.instance_id = instances.id
        where instances.organization_id = windows.organization_id and instances.credit_hold = 'credits'
      ) as plans
    from runtime_windows windows join ledger_books books using (organization_id)
    where windows.hold_inflow is not null and ${inflowOfBooks} <> windows.hold_inflow`.execute(trx)
  return rows
    .filter(({ is_less, available, plans }) => is_less || available >= neededToBegin(plans, list, times))
    .map((row) => row.organization_id)
}

interface ChangedBook {
  organization_id: string
  available: number
  is_less: boolean
  plans: string[]
}
