import { sql } from 'kysely'
import type { Trx } from '../../db/database.ts'
import { notify } from '../../db/notify.ts'
import type { BudgetPeriod, BudgetScope } from '../../db/tables/budgets.ts'
import {
  type ActualSpending,
  type Budget,
  type BudgetAnswer,
  BudgetBook,
  type BudgetCounter,
  type BudgetEntry,
  concerns,
  type PlannedSpending,
  periodEnd,
  periodStart,
  type Spending,
  thresholdOf,
} from './budget.ts'
import { raiseThresholdAlerts } from './budget-alerts.ts'

/**
 * Asked before something is spent, in the transaction that reserves it in the ledger and before the ledger's own locks.
 * What is answered with an amount is held in every budget that it counts towards until `recordSpend` is told of the same
 * key, so that calls at the same time cannot pass a limit together. When nothing comes of it, for example because the
 * ledger refuses, tell `recordSpend` an amount of zero, or roll back. One query where there are no budgets.
 */
export async function checkBudgets(trx: Trx, planned: readonly PlannedSpending[]): Promise<BudgetAnswer[]> {
  const book = await openBook(trx, planned)
  if (!book) return planned.map(({ amount }) => ({ refusal: null, amount }))
  const answers = planned.map((one) => book.hold(one))
  await writeBook(trx, book)
  return answers
}

/**
 * Counts what was spent, in the transaction that settles it in the ledger and before the ledger's own locks, whether
 * `checkBudgets` was asked before or not. A key that was counted already changes nothing. Alerts are raised here.
 */
export async function recordSpend(trx: Trx, actual: readonly ActualSpending[]): Promise<void> {
  const book = await openBook(trx, actual)
  if (!book) return
  for (const one of actual) book.record(one)
  await raiseThresholdAlerts(trx, book)
  await writeBook(trx, book)
}

/**
 * Gives back what is held for something of which nothing is heard any more, before the ledger's own locks. Should
 * `recordSpend` be told of it after all, it still counts.
 */
export async function releaseBudgets(trx: Trx, spendings: readonly Spending[]): Promise<void> {
  const book = await openBook(trx, spendings)
  if (!book) return
  for (const one of spendings) book.release(one)
  await writeBook(trx, book)
}

/** A budget in its present period. */
export interface BudgetState {
  budgetId: string
  scope: BudgetScope
  /** The member's, instance's or agent's id; null for the whole organization. */
  subjectId: string | null
  period: BudgetPeriod
  limit: number
  spent: number
  reserved: number
  /** What is held for something under way is not left. */
  left: number
  /** When the next period begins. */
  until: Date
}

/** The budgets of an organization of which less than `atLeast` is left, so that whom they concern may not run. */
export async function findHeld(trx: Trx, organizationId: string, atLeast = 1): Promise<BudgetState[]> {
  return (await findBudgets(trx, organizationId)).filter(({ left }) => left < atLeast)
}

/** All budgets of an organization. */
export async function findBudgets(trx: Trx, organizationId: string): Promise<BudgetState[]> {
  const { rows } = await sql<Budget & { now: Date }>`
    select *, now() as now from budgets where organization_id = ${organizationId} order by id`.execute(trx)
  if (rows.length === 0) return []
  const now = (rows[0] as { now: Date }).now
  const counters = await selectCounters(trx, rows, now, [])
  const book = new BudgetBook({ budgets: rows, counters, entries: [], now })
  return rows.map((budget) => {
    const { spent, reserved, period_start } = book.counterOf(budget, now)
    return {
      budgetId: budget.id,
      scope: budget.scope,
      subjectId: budget.subject_id,
      period: budget.period,
      limit: budget.limit_amount,
      spent,
      reserved,
      left: book.remainingOf(budget),
      until: periodEnd(budget.period, period_start),
    }
  })
}

/** Whether a held budget concerns an instance: its own, its owner's, or the whole organization's. */
export function holdsInstance(
  held: Pick<BudgetState, 'scope' | 'subjectId'>,
  instance: { id: string; ownerUserId: string },
): boolean {
  switch (held.scope) {
    case 'organization':
      return true
    case 'member':
      return held.subjectId === instance.ownerUserId
    case 'instance':
      return held.subjectId === instance.id
    case 'agent':
      return false
  }
}

/** Undefined where no budget concerns any of it. Locks the organizations' budgets until the transaction ends. */
async function openBook(
  trx: Trx,
  spendings: readonly (Spending & { at?: Date })[],
): Promise<BudgetBook | undefined> {
  const ids = [...new Set(spendings.map(({ organizationId }) => organizationId))]
  if (ids.length === 0) return undefined
  const { rows } = await sql<Budget & { now: Date }>`
    select *, now() as now from lock_budgets(${ids}::uuid[])`.execute(trx)
  const budgets = rows.filter((budget) => spendings.some((one) => concerns(budget, one)))
  const now = budgets[0]?.now
  if (!now) return undefined
  const entries = await selectEntries(trx, spendings)
  const counters = await selectCounters(trx, budgets, now, placesOf(budgets, spendings, entries))
  return new BudgetBook({ budgets, counters, entries, now })
}

async function selectEntries(trx: Trx, spendings: readonly Spending[]): Promise<BudgetEntry[]> {
  const { rows } = await sql<BudgetEntry>`
    select entries.* from budget_entries entries
    join (select distinct * from unnest(
        ${spendings.map((one) => one.organizationId)}::uuid[], ${spendings.map((one) => one.key)}::text[]
      ) as used (organization_id, key)) as used using (organization_id, key)`.execute(trx)
  return rows
}

interface Place {
  budget_id: string
  period_start: Date
}

/** Counters of other periods than the present one: of what was held before midnight, or is said to be of another time. */
function placesOf(
  budgets: readonly Budget[],
  spendings: readonly (Spending & { at?: Date })[],
  entries: readonly BudgetEntry[],
): Place[] {
  const told = spendings.flatMap((one) =>
    one.at === undefined
      ? []
      : budgets
          .filter((budget) => concerns(budget, one))
          // Of this very spending: `at` was just looked at.
          .map((budget) => ({
            budget_id: budget.id,
            period_start: periodStart(budget.period, one.at as Date),
          })),
  )
  return [...told, ...entries]
}

async function selectCounters(
  trx: Trx,
  budgets: readonly Budget[],
  now: Date,
  others: readonly Place[],
): Promise<BudgetCounter[]> {
  const places = [
    ...budgets.map((budget) => ({ budget_id: budget.id, period_start: periodStart(budget.period, now) })),
    ...others,
  ]
  const { rows } = await sql<BudgetCounter>`
    select counters.* from budget_counters counters
    join (select distinct * from unnest(
        ${places.map((place) => place.budget_id)}::uuid[], ${places.map((place) => place.period_start)}::timestamptz[]
      ) as used (budget_id, period_start)) as used using (budget_id, period_start)`.execute(trx)
  return rows
}

async function writeBook(trx: Trx, book: BudgetBook): Promise<void> {
  const counters = [...book.changedCounters]
  const entries = [...book.changedEntries]
  if (counters.length === 0) return
  await sql`
    with counted as (
      insert into budget_counters
      select * from jsonb_populate_recordset(null::budget_counters, ${JSON.stringify(counters)}::jsonb)
      on conflict (budget_id, period_start) do update
        set spent = excluded.spent, reserved = excluded.reserved, alerted = excluded.alerted
    )
    insert into budget_entries
    select * from jsonb_populate_recordset(null::budget_entries, ${JSON.stringify(entries)}::jsonb)
    on conflict (organization_id, key, budget_id) do update
      set held = excluded.held, spent = excluded.spent`.execute(trx)
}

/** After a budget was made or its limit changed: tells of a threshold that it has reached, and lets held ones look again. */
export async function evaluateBudget(trx: Trx, organizationId: string, budgetId: string): Promise<void> {
  const { rows } = await sql<Budget & { now: Date }>`
    select *, now() as now from lock_budgets(array[${organizationId}]::uuid[])`.execute(trx)
  const budget = rows.find(({ id }) => id === budgetId)
  // Deleted meanwhile.
  if (!budget) return
  const counters = await selectCounters(trx, [budget], budget.now, [])
  const book = new BudgetBook({ budgets: [budget], counters, entries: [], now: budget.now })
  const counter = book.counterOf(budget, budget.now)
  counter.alerted = Math.min(counter.alerted, thresholdOf(counter.spent, budget.limit_amount))
  book.changedCounters.add(counter)
  await raiseThresholdAlerts(trx, book)
  await writeBook(trx, book)
  await notify(trx, 'credits_changed', organizationId)
}

/** No call and no window is under way for as long. */
const heldSecondsMax = 3 * 3600

/** Longer than anybody repeats what they told. */
const doneDaysMax = 3

/**
 * Gives back what was held for something of which nothing was heard any more, and forgets what was counted long ago. What
 * comes to be known later all the same still counts.
 */
export async function sweepBudgets(trx: Trx): Promise<void> {
  const { rows: stale } = await sql<{ organization_id: string }>`
    select distinct organization_id from budget_entries
    where spent is null and held > 0 and at < now() - make_interval(secs => ${heldSecondsMax})`.execute(trx)
  await sql`select count(*) from lock_budgets(${stale.map((row) => row.organization_id)}::uuid[])`.execute(
    trx,
  )
  await sql`
    with released as (
      update budget_entries entries set held = 0
      from (
        select organization_id, key, budget_id, held from budget_entries
        where spent is null and held > 0 and at < now() - make_interval(secs => ${heldSecondsMax})
          and organization_id = any(${stale.map((row) => row.organization_id)}::uuid[])
      ) as stale
      where (entries.organization_id, entries.key, entries.budget_id)
        = (stale.organization_id, stale.key, stale.budget_id)
      returning entries.budget_id, entries.period_start, stale.held
    ), sums as (
      select budget_id, period_start, sum(held)::bigint as held from released group by 1, 2
    )
    update budget_counters counters set reserved = reserved - sums.held
    from sums where (counters.budget_id, counters.period_start) = (sums.budget_id, sums.period_start)`.execute(
    trx,
  )
  await sql`
    delete from budget_entries
    where (spent is not null or held = 0) and at < now() - make_interval(days => ${doneDaysMax})`.execute(trx)
}
