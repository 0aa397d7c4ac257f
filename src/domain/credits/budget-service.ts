import { sql } from 'kysely'
import type { Database, Trx } from '../../db/database.ts'
import { notify } from '../../db/notify.ts'
import type { BudgetPeriod, BudgetScope } from '../../db/tables/budgets.ts'
import { conflict, invalid, notFound } from '../../errors.ts'
import { isId, newId } from '../../ids.ts'
import { type Principal, requireRole, requireScope } from '../accounts/principal.ts'
import { type Budget, periodEnd, periodStart } from './budget.ts'
import { evaluateBudget } from './budgets.ts'

/** A budget with what counts towards it in the period that is now. */
export interface BudgetView {
  id: string
  scope: BudgetScope
  subjectId: string | null
  /** The member's or instance's name; null for the organization, and for what is gone. */
  subjectName: string | null
  period: BudgetPeriod
  limit: number
  spent: number
  reserved: number
  periodStart: Date
  periodEnd: Date
  createdAt: Date
}

/** For owners and administrators of the organization that is acted in. */
export interface BudgetService {
  list(principal: Principal): Promise<BudgetView[]>
  /** What was spent in the period before counts too. */
  create(principal: Principal, input: NewBudget): Promise<BudgetView>
  setLimit(principal: Principal, budgetId: string, limit: number): Promise<BudgetView>
  remove(principal: Principal, budgetId: string): Promise<void>
}

export interface NewBudget {
  scope: BudgetScope
  subjectId: string | null
  period: BudgetPeriod
  limit: number
}

const budgetsMax = 200

export function createBudgetService({ database }: { database: Database }): BudgetService {
  const evaluated = async (principal: Principal, budgetId: string): Promise<BudgetView> => {
    await database.asSystem((trx) => evaluateBudget(trx, principal.organizationId, budgetId))
    const [view] = await database.inTenant(principal.organizationId, (trx) => selectViews(trx, budgetId))
    if (!view) throw notFound('the budget was deleted meanwhile')
    return view
  }

  return {
    list: async (principal) => {
      requireScope(principal, 'credits:read')
      requireRole(principal, 'admin')
      return database.inTenant(principal.organizationId, (trx) => selectViews(trx))
    },

    create: async (principal, input) => {
      requireWrite(principal)
      const id = newId()
      await database.inTenant(principal.organizationId, async (trx) => {
        await lockSpending(trx, principal.organizationId)
        await checkSubject(trx, input)
        await insertBudget(trx, principal, id, input)
      })
      return evaluated(principal, id)
    },

    setLimit: async (principal, budgetId, limit) => {
      requireWrite(principal)
      await database.inTenant(principal.organizationId, async (trx) => {
        await lockSpending(trx, principal.organizationId)
        const { numUpdatedRows } = await trx
          .updateTable('budgets')
          .set({ limit_amount: limit, updated_at: new Date() })
          .where('id', '=', budgetId)
          .executeTakeFirst()
        if (numUpdatedRows === 0n) throw notFound('no such budget')
      })
      return evaluated(principal, budgetId)
    },

    remove: async (principal, budgetId) => {
      requireWrite(principal)
      await database.inTenant(principal.organizationId, async (trx) => {
        await lockSpending(trx, principal.organizationId)
        const { numDeletedRows } = await trx
          .deleteFrom('budgets')
          .where('id', '=', budgetId)
          .executeTakeFirst()
        if (numDeletedRows === 0n) throw notFound('no such budget')
        await notify(trx, 'credits_changed', principal.organizationId)
      })
    },
  }
}

function requireWrite(principal: Principal): void {
  requireScope(principal, 'credits:write')
  requireRole(principal, 'admin')
}

/** Waits until whatever is being reserved or settled has ended, and lets nothing new begin: see `lock_budgets`. */
async function lockSpending(trx: Trx, organizationId: string): Promise<void> {
  await sql`select pg_advisory_xact_lock(7333, budget_lock(${organizationId}::uuid))`.execute(trx)
}

async function checkSubject(trx: Trx, { scope, subjectId }: NewBudget): Promise<void> {
  if (scope === 'organization') {
    if (subjectId !== null)
      throw invalid('subjectId', 'A budget of the organization names nobody. Leave it out.')
    return
  }
  if (subjectId === null || !isId(subjectId))
    throw invalid('subjectId', `Say which ${scope} the budget is for, by its id.`)
  // Agents have no table of their own yet; an id that nothing spends under limits nothing.
  if (scope === 'agent') return
  const found =
    scope === 'member'
      ? await trx.selectFrom('members').select('user_id').where('user_id', '=', subjectId).executeTakeFirst()
      : await trx.selectFrom('instances').select('id').where('id', '=', subjectId).executeTakeFirst()
  if (!found) throw invalid('subjectId', `There is no ${scope} with this id in the organization.`)
}

async function insertBudget(trx: Trx, principal: Principal, id: string, input: NewBudget): Promise<void> {
  const { organizationId } = principal
  const existing = await trx.selectFrom('budgets').select('id').execute()
  if (existing.length >= budgetsMax)
    throw conflict(
      'budgets_full',
      `An organization has at most ${budgetsMax} budgets. Delete one that is no longer needed.`,
    )
  const { numInsertedOrUpdatedRows } = await trx
    .insertInto('budgets')
    .values({
      id,
      organization_id: organizationId,
      scope: input.scope,
      subject_id: input.subjectId,
      period: input.period,
      limit_amount: input.limit,
      created_by: principal.userId,
    })
    .onConflict((taken) => taken.doNothing())
    .executeTakeFirst()
  if (!numInsertedOrUpdatedRows)
    throw conflict(
      'budget_exists',
      'There is a budget for this and this period already. Change its limit instead.',
    )
  await countWhatWasSpent(trx, organizationId, id, input)
}

/** Every settlement writes its cost beside what it records in budgets, so this and later ones meet without gap or overlap. */
async function countWhatWasSpent(
  trx: Trx,
  organizationId: string,
  budgetId: string,
  { scope, subjectId, period }: NewBudget,
): Promise<void> {
  const column = {
    organization: 'organization_id',
    member: 'user_id',
    instance: 'instance_id',
    agent: 'agent_id',
  }
  const subject = sql.ref(column[scope])
  await sql`
    with period as (
      select date_trunc(${period}, now() at time zone 'UTC') at time zone 'UTC' as start
    )
    insert into budget_counters (budget_id, organization_id, period_start, spent)
    select ${budgetId}::uuid, ${organizationId}::uuid, start,
      (select coalesce(sum(cost), 0)::bigint from model_calls
        where organization_id = ${organizationId} and started_at >= start
          and ${subject} = ${subjectId ?? organizationId})
      + (select coalesce(sum(cost), 0)::bigint from runtime_usage
        where organization_id = ${organizationId} and window_end > start
          and ${subject} = ${subjectId ?? organizationId})
    from period`.execute(trx)
}

interface ViewRow extends Budget {
  subject_name: string | null
  now: Date
  spent: number
  reserved: number
}

async function selectViews(trx: Trx, budgetId?: string): Promise<BudgetView[]> {
  const { rows } = await sql<ViewRow>`
    select budgets.*, coalesce(members.name, instances.name) as subject_name, now() as now,
      coalesce(counters.spent, 0) as spent, coalesce(counters.reserved, 0) as reserved
    from budgets
    left join budget_counters counters on counters.budget_id = budgets.id
      and counters.period_start = date_trunc(budgets.period, now() at time zone 'UTC') at time zone 'UTC'
    left join members on budgets.scope = 'member' and members.user_id = budgets.subject_id
    left join instances on budgets.scope = 'instance' and instances.id = budgets.subject_id
    where ${budgetId === undefined ? sql`true` : sql`budgets.id = ${budgetId}`}
    order by budgets.created_at, budgets.id`.execute(trx)
  return rows.map((row) => {
    const start = periodStart(row.period, row.now)
    return {
      id: row.id,
      scope: row.scope,
      subjectId: row.subject_id,
      subjectName: row.subject_name,
      period: row.period,
      limit: row.limit_amount,
      spent: row.spent,
      reserved: row.reserved,
      periodStart: start,
      periodEnd: periodEnd(row.period, start),
      createdAt: row.created_at,
    }
  })
}
