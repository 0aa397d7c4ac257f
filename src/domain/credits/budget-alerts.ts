import type { Trx } from '../../db/database.ts'
import { raiseAlert } from './alerts.ts'
import {
  type Budget,
  type BudgetBook,
  type BudgetCounter,
  periodEnd,
  refusalMessage,
  thresholdOf,
  wordsOf,
} from './budget.ts'
import { formatCredits } from './credit.ts'

/**
 * Tells of each budget that has reached 50, 80 or 100 percent, once in a period; of several at once only the highest. The
 * counter remembers what was told, and the caller writes it.
 */
export async function raiseThresholdAlerts(trx: Trx, book: BudgetBook): Promise<void> {
  for (const counter of book.changedCounters) {
    const budget = book.budgetOf(counter)
    const threshold = thresholdOf(counter.spent, budget.limit_amount)
    if (threshold <= counter.alerted) continue
    counter.alerted = threshold
    await raiseThresholdAlert(trx, { budget, counter, threshold })
  }
}

async function raiseThresholdAlert(
  trx: Trx,
  { budget, counter, threshold }: { budget: Budget; counter: BudgetCounter; threshold: number },
): Promise<void> {
  const until = periodEnd(budget.period, counter.period_start)
  const spent = formatCredits(counter.spent)
  const limit = formatCredits(budget.limit_amount)
  await raiseAlert(trx, {
    organizationId: budget.organization_id,
    kind: 'budget_threshold',
    severity: threshold >= 100 ? 'critical' : threshold >= 80 ? 'warning' : 'info',
    title: `${wordsOf(budget)} is at ${threshold} percent`,
    message:
      threshold >= 100
        ? refusalMessage(budget, until)
        : `${spent} of ${limit} credits are spent. At 100 percent whatever it limits stops until the next period; an owner or administrator can raise it under Credits.`,
    details: {
      budgetId: budget.id,
      scope: budget.scope,
      subjectId: budget.subject_id,
      period: budget.period,
      periodStart: counter.period_start.toISOString(),
      periodEnd: until.toISOString(),
      percent: threshold,
      limitMicros: budget.limit_amount,
      spentMicros: counter.spent,
    },
    // With the limit: a changed one is another promise.
    key: `budget:${budget.id}:${counter.period_start.toISOString()}:${budget.limit_amount}:${threshold}`,
    userId: budget.scope === 'member' ? budget.subject_id : null,
  })
}
