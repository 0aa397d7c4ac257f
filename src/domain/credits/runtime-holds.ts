import type { Trx } from '../../db/database.ts'
import { hold, lift } from './holds.ts'
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
  const first = instances
    .filter(({ credit_hold }) => credit_hold === 'credits')
    .map(({ plan }) => costOfFirstWindow(runtimePriceOf(prices.list, plan), times))
  return book.available - decision.cost >= Math.max(0, ...first)
}
