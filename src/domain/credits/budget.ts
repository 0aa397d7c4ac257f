import type { Selectable } from 'kysely'
import type {
  BudgetCountersTable,
  BudgetEntriesTable,
  BudgetPeriod,
  BudgetScope,
  BudgetsTable,
} from '../../db/tables/budgets.ts'
import { formatCredits } from './credit.ts'

export type Budget = Selectable<BudgetsTable>
export type BudgetCounter = Selectable<BudgetCountersTable>
export type BudgetEntry = Selectable<BudgetEntriesTable>

/** What credits are spent for, as budgets tell it apart. */
export interface Spending {
  /** Unique within the organization, for example `call:ID`: the same spending told twice counts once. */
  key: string
  organizationId: string
  userId: string | null
  instanceId: string | null
  agentId: string | null
}

/** Something that is about to cost at most `amount`. With less than that left it goes on with what there is, down to `atLeast`. */
export interface PlannedSpending extends Spending {
  amount: number
  atLeast: number
}

/** What something came to in the end. */
export interface ActualSpending extends Spending {
  amount: number
  /** When it was spent, if no budget had been asked before; by default now. */
  at?: Date
}

/** `amount` is what the budgets have room for: what was asked for, or less. */
export type BudgetAnswer = { refusal: null; amount: number } | { refusal: BudgetRefusal }

/** Which budget stands in the way, and until when. */
export interface BudgetRefusal {
  code: 'budget_exhausted'
  budgetId: string
  scope: BudgetScope
  subjectId: string | null
  period: BudgetPeriod
  limit: number
  remaining: number
  /** When the next period begins. */
  until: Date
  /** For the person, with what they can do. */
  message: string
}

/** Percentages at which people are told. */
const alertThresholds = [100, 80, 50] as const

/** Days and months begin at midnight UTC. */
export function periodStart(period: BudgetPeriod, at: Date): Date {
  return new Date(Date.UTC(at.getUTCFullYear(), at.getUTCMonth(), period === 'day' ? at.getUTCDate() : 1))
}

export function periodEnd(period: BudgetPeriod, start: Date): Date {
  const [year, month, day] = [start.getUTCFullYear(), start.getUTCMonth(), start.getUTCDate()]
  return new Date(period === 'day' ? Date.UTC(year, month, day + 1) : Date.UTC(year, month + 1, 1))
}

export function concerns(budget: Budget, spending: Spending): boolean {
  if (budget.organization_id !== spending.organizationId) return false
  switch (budget.scope) {
    case 'organization':
      return true
    case 'member':
      return budget.subject_id === spending.userId
    case 'instance':
      return budget.subject_id === spending.instanceId
    case 'agent':
      return budget.subject_id === spending.agentId
  }
}

/** Some organizations' budgets as one transaction sees them. Changed in place; what changed is remembered. */
export class BudgetBook {
  readonly changedCounters = new Set<BudgetCounter>()
  readonly changedEntries = new Set<BudgetEntry>()
  readonly #budgets: readonly Budget[]
  readonly #counters = new Map<string, BudgetCounter>()
  readonly #entries = new Map<string, BudgetEntry[]>()
  readonly #now: Date

  constructor(parts: {
    budgets: readonly Budget[]
    counters: readonly BudgetCounter[]
    entries: readonly BudgetEntry[]
    now: Date
  }) {
    this.#budgets = parts.budgets
    this.#now = parts.now
    for (const counter of parts.counters) this.#counters.set(placeOf(counter), counter)
    for (const entry of parts.entries) this.#entriesOf(entry.organization_id, entry.key).push(entry)
  }

  budgetOf(counter: BudgetCounter): Budget {
    // Counters are made from these budgets or read for them.
    return this.#budgets.find(({ id }) => id === counter.budget_id) as Budget
  }

  /** What is left of a budget in the period that is now. */
  remainingOf(budget: Budget): number {
    const { spent, reserved } = this.counterOf(budget, this.#now)
    return budget.limit_amount - spent - reserved
  }

  /** Holds what is planned in every budget that it counts towards, or in none. */
  hold(planned: PlannedSpending): BudgetAnswer {
    const entries = this.#entriesOf(planned.organizationId, planned.key)
    // It was held before: a retry whose first answer was lost.
    if (entries.length > 0)
      return { refusal: null, amount: Math.min(planned.amount, ...entries.map(({ held }) => held)) }
    const budgets = this.#budgets.filter((budget) => concerns(budget, planned))
    let amount = planned.amount
    let tightest: Budget | undefined
    for (const budget of budgets) {
      const remaining = Math.max(0, this.remainingOf(budget))
      if (remaining < amount) [amount, tightest] = [remaining, budget]
    }
    if (tightest && amount < Math.min(planned.atLeast, planned.amount))
      return { refusal: this.#refusal(tightest, amount) }
    for (const budget of budgets) {
      const counter = this.counterOf(budget, this.#now)
      counter.reserved += amount
      this.changedCounters.add(counter)
      this.#write(planned, {
        budget_id: budget.id,
        period_start: counter.period_start,
        held: amount,
        spent: null,
      })
    }
    return { refusal: null, amount }
  }

  /** Counts what something came to, once, in the period in which it was held, and gives back what was held for it. */
  record(actual: ActualSpending): void {
    const entries = this.#entriesOf(actual.organizationId, actual.key)
    for (const budget of this.#budgets.filter((one) => concerns(one, actual))) {
      const entry = entries.find(({ budget_id }) => budget_id === budget.id)
      if (entry && entry.spent !== null) continue
      const counter = this.counterOf(budget, entry?.period_start ?? actual.at ?? this.#now)
      counter.reserved -= entry?.held ?? 0
      counter.spent += actual.amount
      this.changedCounters.add(counter)
      if (entry) this.changedEntries.add(Object.assign(entry, { held: 0, spent: actual.amount }))
      else
        this.#write(actual, {
          budget_id: budget.id,
          period_start: counter.period_start,
          held: 0,
          spent: actual.amount,
        })
    }
  }

  /** Gives back what is held for something. What it came to is still to be told, if it ever is. */
  release(spending: Spending): void {
    const entries = this.#entriesOf(spending.organizationId, spending.key)
    for (const budget of this.#budgets) {
      const entry = entries.find(({ budget_id }) => budget_id === budget.id)
      if (!entry || entry.held === 0) continue
      const counter = this.counterOf(budget, entry.period_start)
      counter.reserved -= entry.held
      this.changedCounters.add(counter)
      this.changedEntries.add(Object.assign(entry, { held: 0 }))
    }
  }

  counterOf(budget: Budget, at: Date): BudgetCounter {
    const start = periodStart(budget.period, at)
    const place = placeOf({ budget_id: budget.id, period_start: start })
    const known = this.#counters.get(place)
    if (known) return known
    const counter: BudgetCounter = {
      budget_id: budget.id,
      organization_id: budget.organization_id,
      period_start: start,
      spent: 0,
      reserved: 0,
      alerted: 0,
    }
    this.#counters.set(place, counter)
    return counter
  }

  #entriesOf(organizationId: string, key: string): BudgetEntry[] {
    const place = `${organizationId} ${key}`
    const known = this.#entries.get(place)
    if (known) return known
    const entries: BudgetEntry[] = []
    this.#entries.set(place, entries)
    return entries
  }

  #write(
    { organizationId, key }: Spending,
    values: Pick<BudgetEntry, 'budget_id' | 'period_start' | 'held' | 'spent'>,
  ): void {
    const entry = { organization_id: organizationId, key, at: this.#now, ...values }
    this.#entriesOf(organizationId, key).push(entry)
    this.changedEntries.add(entry)
  }

  #refusal(budget: Budget, remaining: number): BudgetRefusal {
    const until = periodEnd(budget.period, periodStart(budget.period, this.#now))
    return {
      code: 'budget_exhausted',
      budgetId: budget.id,
      scope: budget.scope,
      subjectId: budget.subject_id,
      period: budget.period,
      limit: budget.limit_amount,
      remaining,
      until,
      message: refusalMessage(budget, until),
    }
  }
}

/** What a person who meets the limit is told. */
export function refusalMessage(
  budget: Pick<Budget, 'scope' | 'period' | 'limit_amount'>,
  until: Date,
): string {
  return `${wordsOf(budget)} of ${formatCredits(budget.limit_amount)} credits is spent. It begins anew at ${until.toISOString().slice(0, 16).replace('T', ' ')} UTC; an owner or administrator of the organization can raise it under Credits.`
}

const scopeWords: Record<BudgetScope, string> = {
  organization: 'of the organization',
  member: 'of this member',
  instance: 'of this instance',
  agent: 'of this agent',
}

/** For example "The daily budget of this member". */
export function wordsOf({ scope, period }: Pick<Budget, 'scope' | 'period'>): string {
  return `The ${period === 'day' ? 'daily' : 'monthly'} budget ${scopeWords[scope]}`
}

/** The highest threshold that the spending has reached; 0 for none. */
export function thresholdOf(spent: number, limit: number): number {
  return alertThresholds.find((percent) => BigInt(spent) * 100n >= BigInt(limit) * BigInt(percent)) ?? 0
}

function placeOf({ budget_id, period_start }: Pick<BudgetCounter, 'budget_id' | 'period_start'>): string {
  return `${budget_id} ${period_start.toISOString()}`
}
