import { earlier } from '../../clock.ts'
import type { Trx } from '../../db/database.ts'
import { sumOf } from '../../sum.ts'
import { type BudgetState, checkBudgets, findBudgets, holdsInstance, recordSpend } from './budgets.ts'
import type { PriceList } from './prices.ts'
import { type BudgetedInstance, type BudgetShare, nextBudgetLook, shareBudgets } from './runtime-budgets.ts'
import {
  burnOfInstance,
  type ChargeDecision,
  costOfFirstWindow,
  type RuntimeTimes,
} from './runtime-charge.ts'
import type { ChargedInstance, Metered, Window } from './runtime-locks.ts'
import type { RuntimeMeter } from './runtime-meter.ts'
import { runtimePriceOf } from './runtime-price.ts'

/** What budgets let an organization's instances do after a charge. */
export interface BudgetHolds {
  /** Until when what is held pays for an instance that runs; null where no budget limits it. */
  coveredUntil(instanceId: string): Date | null
  isSpent(instance: ChargedInstance): boolean
  /** There is room for it to begin again. */
  mayResume(instance: ChargedInstance): boolean
  /** When to look again; null where no budget asks for it. */
  chargeAt: number | null
}

export const noBudgets: BudgetHolds = {
  coveredUntil: () => null,
  isSpent: () => false,
  mayResume: () => true,
  chargeAt: null,
}

export interface BudgetContext {
  organizationId: string
  window: Window
  /** Of this charge. */
  sequence: number
  metered: readonly Metered[]
  decision: ChargeDecision
  prices: { list: PriceList }
  times: RuntimeTimes
}

/**
 * Counts what a charge takes in the budgets that it concerns, and holds what comes in them: in the transaction that does
 * both in the ledger, after `lockBudgets`. So calls and runtime cannot pass a limit together, and what runs is ended
 * before it does.
 */
export async function chargeBudgets(trx: Trx, context: BudgetContext): Promise<BudgetHolds> {
  const { metered, window, prices, times } = context
  await recordSpend(trx, spentOf(context))
  const budgets = await findBudgets(trx, context.organizationId)
  const instances = metered.map((one) => budgetedInstance(one, context))
  const shares = shareBudgets(budgets, instances, times)
  // In the order of the instances, of which each gets what was divided.
  await checkBudgets(
    trx,
    instances
      .map(({ id, ownerUserId }) => ({
        ...spendingOf(context, { id, owner_user_id: ownerUserId }, context.sequence),
        amount: shares.get(id)?.amount ?? 0,
        // What ending takes is held as far as it is there.
        atLeast: 0,
      }))
      .filter(({ amount }) => amount > 0),
  )
  const now = window.now.getTime()
  const held = metered
    .map(({ instance }) => instance)
    .filter(({ id, credit_hold }) => credit_hold === 'budget' || shares.get(id)?.isSpent)
  const look = nextBudgetLook(shares, instances, now)
  return {
    coveredUntil: (instanceId) => untilOf(shares.get(instanceId), now),
    isSpent: ({ id }) => shares.get(id)?.isSpent ?? false,
    mayResume: ({ id, plan }) =>
      (shares.get(id)?.left ?? 0) >= Math.max(1, costOfFirstWindow(runtimePriceOf(prices.list, plan), times)),
    chargeAt: earlier(look, nextPeriod(budgets, held, now)),
  }
}

/** All that each instance cost, and nothing for those that something was held for in vain. */
function spentOf(context: BudgetContext) {
  const { metered, decision, window } = context
  return metered
    .map(({ instance, row }) => ({
      ...spendingOf(context, instance, window.sequence),
      amount: sumOf(
        decision.lines.filter(({ instanceId }) => instanceId === instance.id),
        ({ cost }) => cost,
      ),
      wasHeld: row.budget_until !== null,
    }))
    .filter(({ amount, wasHeld }) => amount > 0 || wasHeld)
    .map(({ wasHeld: _, ...spending }) => spending)
}

/** One spending for each instance and window: held when the window begins, counted when it is charged. */
function spendingOf(
  { organizationId }: BudgetContext,
  instance: Pick<ChargedInstance, 'id' | 'owner_user_id'>,
  sequence: number,
) {
  return {
    key: `runtime:${sequence}:${instance.id}`,
    organizationId,
    userId: instance.owner_user_id,
    instanceId: instance.id,
    agentId: null,
  }
}

function budgetedInstance(
  { instance, row }: Metered,
  { decision, prices, times }: BudgetContext,
): BudgetedInstance {
  const { id, status, credit_hold, plan, owner_user_id: ownerUserId } = instance
  const starts = status === 'provisioning' && credit_hold === null
  // The decision has one for each metered instance.
  const meter = decision.meters.get(id) as RuntimeMeter
  const burn = burnOfInstance({ meter, price: runtimePriceOf(prices.list, plan), starts }, times)
  const isUp = starts || row.state === 'running' || row.state === 'suspended'
  return { id, ownerUserId, burn, goesOn: isUp && credit_hold === null && !decision.exhausted }
}

function untilOf(share: BudgetShare | undefined, now: number): Date | null {
  if (!share || share.amount === 0) return null
  // Infinite for one that ends, whose end alone is held.
  return new Date(now + (Number.isFinite(share.coverSeconds) ? share.coverSeconds * 1000 : 0))
}

/** How soon those are looked at again that a budget holds, should its period be long. */
const heldLookSeconds = 3600

function nextPeriod(
  budgets: readonly BudgetState[],
  held: readonly ChargedInstance[],
  now: number,
): number | null {
  const times = budgets
    .filter((budget) =>
      held.some(({ id, owner_user_id }) => holdsInstance(budget, { id, ownerUserId: owner_user_id })),
    )
    .map(({ until }) => until.getTime())
  return held.length === 0 ? null : Math.min(now + heldLookSeconds * 1000, ...times)
}
