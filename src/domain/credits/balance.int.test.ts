import { sql } from 'kysely'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../../../test/support/database.ts'
import { insertInstance, insertOrganization, insertUser } from '../../../test/support/rows.ts'
import { newId } from '../../ids.ts'
import { type Principal, scopesOfRole } from '../accounts/principal.ts'
import { type Balances, createBalances } from './balance.ts'
import { createLedger } from './ledger.ts'
import type { PriceList } from './prices.ts'

let database: TestDatabase
let balances: Balances
let member: Principal
let instanceId: string

const list: PriceList = {
  models: {},
  plans: { standard: { running: 1_000, suspended: 100, stored: 10 } },
  storagePerGibibyteMonth: 0,
  egressPerGibibyte: null,
}

beforeAll(async () => {
  database = await createTestDatabase()
  balances = createBalances({ database, prices: { current: async () => ({ list }) } })
})
afterAll(() => database.drop())

beforeEach(async () => {
  const { organizationId, userId } = await insertOrganization(database)
  const instance = await insertInstance(database, { organizationId, userId })
  instanceId = instance.instanceId
  await change(sql`update instances set plan = 'standard' where id = ${instanceId}`)
  const scopes = scopesOfRole('member')
  member = {
    kind: 'person',
    userId,
    organizationId,
    role: 'member',
    scopes,
    familyId: newId(),
    apiKeyId: null,
  }
})

const change = (statement: ReturnType<typeof sql>) => database.asSystem((trx) => statement.execute(trx))
const grant = (amount: number, organizationId = member.organizationId) =>
  createLedger(database).post({ kind: 'grant', organizationId, key: newId(), amount })
const runs = (state: string | null) =>
  change(sql`insert into runtime_meters (instance_id, organization_id, state, metered_until)
    values (${instanceId}, ${member.organizationId}, ${state}, now())
    on conflict (instance_id) do update set state = excluded.state`)

async function modelCall(cost: number, age: string): Promise<void> {
  const slotId = newId()
  await change(
    sql`insert into slots (id, driver, state, spec_version) values (${slotId}, 'fake', 'available', '1')`,
  )
  await change(sql`insert into model_calls
    (id, organization_id, slot_id, provider, model, protocol, streamed, outcome, cost, started_at)
    values (${newId()}, ${member.organizationId}, ${slotId}, 'demo', 'm', 'responses', true, 'succeeded', ${cost},
      now() - ${age}::interval)`)
}

describe('a balance', () => {
  it('is zero in every account of an organization that never had any, and lasts for ever', async () => {
    expect(await balances.get(member)).toMatchObject({
      available: 0,
      granted: 0,
      burnPerHour: 0,
      lastsUntil: null,
      hold: null,
    })
  })

  it.each([
    ['running', 1_000],
    ['suspended', 100],
    ['stored', 10],
    [null, 0],
  ])('burns what an instance that is %s costs now', async (state, perHour) => {
    await runs(state)
    expect((await balances.get(member)).burnPerHour).toBe(perHour)
  })

  it('burns what models cost in the last hour beside it, and lasts as long as that leaves', async () => {
    await grant(13_000)
    await runs('running')
    await modelCall(200, '5 minutes')
    await modelCall(100, '59 minutes')
    await modelCall(5_000, '61 minutes')
    const before = Date.now()
    const { burnPerHour, lastsUntil } = await balances.get(member)
    expect(burnPerHour).toBe(1_300)
    const hours = ((lastsUntil?.getTime() ?? 0) - before) / 3_600_000
    expect(hours).toBeGreaterThanOrEqual(10)
    expect(hours).toBeLessThan(10.1)
  })

  it('says that instances are held, and first that it is for lack of credits', async () => {
    await change(sql`update instances set credit_hold = 'budget' where id = ${instanceId}`)
    expect((await balances.get(member)).hold).toBe('budget')
    const userId = await insertUser(database)
    const other = await insertInstance(database, { ...member, userId })
    await change(sql`update instances set credit_hold = 'credits' where id = ${other.instanceId}`)
    expect((await balances.get(member)).hold).toBe('credits')
  })

  it('is nobody else’s', async () => {
    const { organizationId } = await insertOrganization(database)
    await grant(500, organizationId)
    await grant(5)
    expect((await balances.get(member)).available).toBe(5)
  })
})
