import { sql } from 'kysely'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../../../test/support/database.ts'
import { eventually } from '../../../test/support/eventually.ts'
import { insertInstance, insertOrganization, insertUser } from '../../../test/support/rows.ts'
import { openDatabase } from '../../db/database.ts'
import { newId } from '../../ids.ts'
import type { Principal } from '../accounts/principal.ts'
import { scopes } from '../accounts/principal.ts'
import type { ActualSpending, PlannedSpending } from './budget.ts'
import { type BudgetService, createBudgetService } from './budget-service.ts'
import { checkBudgets, findHeld, recordSpend, sweepBudgets } from './budgets.ts'
import { applyOperations } from './ledger-store.ts'

let database: TestDatabase
let budgets: BudgetService
let organizationId: string
let userId: string
let owner: Principal

beforeAll(async () => {
  database = await createTestDatabase()
  budgets = createBudgetService({ database })
})
afterAll(() => database.drop())
beforeEach(async () => {
  ;({ organizationId, userId } = await insertOrganization(database))
  owner = { kind: 'person', userId, organizationId, role: 'owner', scopes, familyId: newId(), apiKeyId: null }
})

const spending = (values: object = {}) => ({
  key: newId(),
  organizationId,
  userId,
  instanceId: null,
  agentId: null,
  ...values,
})
const check = (...planned: PlannedSpending[]) => database.asSystem((trx) => checkBudgets(trx, planned))
const record = (...actual: ActualSpending[]) => database.asSystem((trx) => recordSpend(trx, actual))
const plan = (amount: number, values: object = {}): PlannedSpending => ({
  ...spending(values),
  amount,
  atLeast: amount,
})
const organizationBudget = (limit: number) =>
  budgets.create(owner, { scope: 'organization', subjectId: null, period: 'day', limit })
const alertsOf = async () =>
  (
    await database.asSystem((trx) =>
      trx
        .selectFrom('alerts')
        .select(['title', 'details'])
        .where('organization_id', '=', organizationId)
        .orderBy('id')
        .execute(),
    )
  ).map(({ details }) => details.percent)

describe('budgets', () => {
  it('cost one query where there are none', async () => {
    let queries = 0
    const answers = await database.asSystem((trx) =>
      checkBudgets(
        trx.withPlugin({
          transformQuery: ({ node }) => {
            queries += 1
            return node
          },
          transformResult: async ({ result }) => result,
        }) as typeof trx,
        [plan(5), plan(7)],
      ),
    )
    expect(answers).toEqual([
      { refusal: null, amount: 5 },
      { refusal: null, amount: 7 },
    ])
    expect(queries).toBe(1)
  })

  it('let racing calls through until nothing is left, from two control planes', async () => {
    const { id } = await organizationBudget(100)
    const other = openDatabase({ url: database.loginUrl, connectionsMax: 5 })
    const answers = await Promise.all(
      Array.from({ length: 40 }, (_, index) =>
        (index % 2 ? other : database).asSystem((trx) => checkBudgets(trx, [plan(7)])),
      ),
    )
    await other.close()
    expect(answers.flat().filter(({ refusal }) => refusal === null)).toHaveLength(14)
    const [view] = await budgets.list(owner)
    expect(view).toMatchObject({ id, reserved: 98, spent: 0 })
  })

  it('count spending of many at once, in one transaction with the ledger, without deadlocks', async () => {
    const { organizationId: second } = await insertOrganization(database)
    await database.asSystem((trx) =>
      applyOperations(
        trx,
        [organizationId, second].map((id) => ({
          kind: 'grant' as const,
          organizationId: id,
          key: 'g',
          amount: 1_000_000,
        })),
      ),
    )
    await organizationBudget(1_000_000)
    await budgets.create(owner, { scope: 'member', subjectId: userId, period: 'month', limit: 1_000_000 })
    const work = Array.from({ length: 30 }, (_, index) =>
      database.asSystem(async (trx) => {
        const batch = [plan(10), plan(10, { organizationId: second }), plan(10)]
        const ordered = index % 2 ? batch : batch.reverse()
        const answers = await checkBudgets(trx, ordered)
        expect(answers.every(({ refusal }) => refusal === null)).toBe(true)
        await applyOperations(
          trx,
          ordered.map((one) => ({
            kind: 'reserve' as const,
            organizationId: one.organizationId,
            key: one.key,
            reservationId: newId(),
            purpose: 'model_call' as const,
            amount: 10,
            atLeast: 10,
            expiresAt: new Date('2030-01-01'),
          })),
        )
        await recordSpend(
          trx,
          ordered.map((one) => ({ ...one, amount: 4 })),
        )
      }),
    )
    await Promise.all(work)
    expect((await budgets.list(owner)).map(({ spent, reserved }) => [spent, reserved])).toEqual([
      [240, 0],
      [240, 0],
    ])
  })

  it('forget nothing and count nothing twice when it is told again', async () => {
    await organizationBudget(100)
    const call = plan(30)
    await check(call)
    for (let i = 0; i < 3; i++) await record({ ...call, amount: 12 })
    // Nobody had asked before: it counts all the same, and once.
    const unasked = { ...spending(), amount: 5 }
    for (let i = 0; i < 2; i++) await record(unasked)
    expect((await budgets.list(owner))[0]).toMatchObject({ spent: 17, reserved: 0 })
  })

  it('undo with the transaction what was held in it', async () => {
    await organizationBudget(100)
    const rolledBack = database.asSystem(async (trx) => {
      await checkBudgets(trx, [plan(80)])
      throw new Error('the ledger refused')
    })
    await expect(rolledBack).rejects.toThrow('the ledger refused')
    expect(await check(plan(100))).toEqual([{ refusal: null, amount: 100 }])
  })

  it('begin with what was spent in the period before', async () => {
    const { instanceId } = await insertInstance(database, { organizationId, userId })
    await database.asSystem(async (trx) => {
      const { version } = await trx
        .insertInto('price_lists')
        .values({ effective_from: new Date(), prices: '{}', created_by: null })
        .returning('version')
        .executeTakeFirstOrThrow()
      const window = (end: Date, cost: number) => ({
        id: newId(),
        organization_id: organizationId,
        instance_id: instanceId,
        session_id: null,
        user_id: userId,
        plan: 'standard',
        state: 'running' as const,
        window_start: end,
        window_end: end,
        milliseconds: 1,
        price_version: version,
        cost,
      })
      await trx
        .insertInto('runtime_usage')
        .values([window(new Date(), 60), window(new Date(Date.now() - 40 * 86_400_000), 1000)])
        .execute()
    })
    const view = await budgets.create(owner, {
      scope: 'instance',
      subjectId: instanceId,
      period: 'month',
      limit: 100,
    })
    expect(view.spent).toBe(60)
    expect(await alertsOf()).toEqual([50])
  })

  it('miss no call that is under way while a budget is made', async () => {
    const asked = Promise.withResolvers<void>()
    const mayEnd = Promise.withResolvers<void>()
    const underWay = database.asSystem(async (trx) => {
      await recordSpend(trx, [{ ...spending(), amount: 40 }])
      asked.resolve()
      await mayEnd.promise
    })
    await asked.promise
    let made = false
    const creation = organizationBudget(100).then((view) => {
      made = true
      return view
    })
    try {
      // It waits for the call's transaction, of which it could not know what it spends.
      await eventually(async () => {
        const { rows } = await database.asSystem((trx) =>
          sql`select from pg_locks where locktype = 'advisory' and not granted
            and database = (select oid from pg_database where datname = current_database())`.execute(trx),
        )
        expect(rows).toHaveLength(1)
      })
      expect(made).toBe(false)
    } finally {
      mayEnd.resolve()
    }
    await underWay
    await creation
    expect(made).toBe(true)
  })

  it('tell of 50, 80 and 100 percent once each, and of several at once only the highest', async () => {
    const { id } = await organizationBudget(100)
    for (const amount of [49, 1, 10, 20, 5, 40, 3]) await record({ ...spending(), amount })
    expect(await alertsOf()).toEqual([50, 80, 100])
    await budgets.setLimit(owner, id, 1000)
    await record({ ...spending(), amount: 872 })
    expect(await alertsOf()).toEqual([50, 80, 100, 100])
  })

  it('say whom they hold, and let go when the limit is raised or the budget deleted', async () => {
    const member = await insertUser(database)
    await database.asSystem((trx) =>
      trx
        .insertInto('members')
        .values({
          organization_id: organizationId,
          user_id: member,
          role: 'member',
          name: 'M',
          email: 'm@x.test',
        })
        .execute(),
    )
    const { id } = await budgets.create(owner, {
      scope: 'member',
      subjectId: member,
      period: 'day',
      limit: 10,
    })
    const held = () => database.asSystem((trx) => findHeld(trx, organizationId))
    expect(await held()).toEqual([])
    await record({ ...spending({ userId: member }), amount: 10 })
    expect(await held()).toMatchObject([{ budgetId: id, scope: 'member', subjectId: member, spent: 10 }])
    expect((await check(plan(1, { userId: member })))[0]?.refusal).toMatchObject({ budgetId: id })
    expect((await check(plan(1)))[0]?.refusal).toBeNull()
    await budgets.setLimit(owner, id, 20)
    expect(await held()).toEqual([])
    await budgets.setLimit(owner, id, 5)
    expect(await held()).toHaveLength(1)
    await budgets.remove(owner, id)
    expect(await held()).toEqual([])
  })

  it('give back what was held for something that nobody heard of again, and still count it when they do', async () => {
    await organizationBudget(100)
    const lost = plan(70)
    await check(lost)
    await database.asSystem((trx) =>
      sql`update budget_entries set at = at - interval '4 hours' where organization_id = ${organizationId}`.execute(
        trx,
      ),
    )
    await database.asSystem(sweepBudgets)
    expect((await budgets.list(owner))[0]).toMatchObject({ spent: 0, reserved: 0 })
    await record({ ...lost, amount: 33 })
    expect((await budgets.list(owner))[0]).toMatchObject({ spent: 33, reserved: 0 })
  })

  it('keep counters that are the sums of their entries, whatever is cut off in between', async () => {
    await organizationBudget(100_000)
    await Promise.all(
      Array.from({ length: 60 }, async (_, index) => {
        const call = plan(50)
        await check(call)
        const settle = database.asSystem(async (trx) => {
          await recordSpend(trx, [{ ...call, amount: index }])
          if (index % 3 === 0) throw new Error('cut off')
        })
        await settle.catch(() => undefined)
      }),
    )
    const { rows } = await database.asSystem((trx) =>
      sql<{ spent: number; reserved: number; entries_spent: number; entries_held: number }>`
        select counters.spent, counters.reserved, sum(entries.spent)::bigint as entries_spent,
          sum(entries.held)::bigint as entries_held
        from budget_counters counters join budget_entries entries using (budget_id, period_start)
        where counters.organization_id = ${organizationId} group by 1, 2`.execute(trx),
    )
    expect(rows).toEqual([{ spent: 1200, reserved: 1000, entries_spent: 1200, entries_held: 1000 }])
  })
})
