import { sql } from 'kysely'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTestAccounts, type TestAccounts, type TestPerson } from '../../test/support/accounts.ts'
import { newId } from '../ids.ts'

// Tables with a tenant's or a person's rows that are not told apart by an organization_id of their own.
const guardedWithoutOrganizationId = ['organizations', 'token_families', 'refresh_tokens']
// Tables that the tenants' role has no privilege on at all.
const closedToTenants = [
  'users',
  'user_credentials',
  'user_verifications',
  'refresh_tokens',
  'rate_limits',
  'nodes',
  'backup_keys',
  'hosts',
  'operators',
  'email_verifications',
  'price_lists',
  'stripe_events',
  'payment_reconciliations',
  'ledger_anchors',
  'slots',
  'migrations',
  'installation',
]

describe('row-level security', () => {
  let test: TestAccounts
  let people: [TestPerson, TestPerson]
  let tenantTables: string[]
  let allTables: string[]

  beforeAll(async () => {
    test = await createTestAccounts()
    people = [await test.person(), await test.person()]
    for (const person of people) {
      const within = (path: string, payload: object) =>
        test.app.inject({ method: 'POST', url: path, payload, headers: person.headers })
      await within('/api/api-keys', { name: 'key' })
      await within(`/api/orgs/${person.organizationId}/invitations`, { email: 'guest@example.com' })
    }
    const columns = await query<{ table_name: string; tenant: boolean }>(`
      select t.table_name, bool_or(c.column_name = 'organization_id') as tenant
      from information_schema.tables t join information_schema.columns c using (table_schema, table_name)
      where t.table_schema = 'public' and t.table_type = 'BASE TABLE' group by 1 order by 1`)
    allTables = columns.map((row) => row.table_name)
    tenantTables = columns.filter((row) => row.tenant).map((row) => row.table_name)
  })
  afterAll(() => test.close())

  const query = async <T extends pg.QueryResultRow>(text: string): Promise<T[]> => {
    const admin = new pg.Client({ connectionString: test.database.adminUrl })
    await admin.connect()
    try {
      return (await admin.query<T>(text)).rows
    } finally {
      await admin.end()
    }
  }

  it('is enabled and forced on every table that has an organization_id', async () => {
    expect(tenantTables).toEqual(expect.arrayContaining(['members', 'invitations', 'api_keys', 'instances']))
    const rows = await query<{ relname: string }>(`
      select relname from pg_class where relkind in ('r', 'p') and relnamespace = 'public'::regnamespace
      and relrowsecurity and relforcerowsecurity`)
    const guarded = rows.map((row) => row.relname)
    for (const table of [...tenantTables, ...guardedWithoutOrganizationId]) expect(guarded).toContain(table)
  })

  it('leaves no table undecided: each is guarded or closed to tenants', async () => {
    const decided = new Set([...tenantTables, ...guardedWithoutOrganizationId, ...closedToTenants])
    expect(allTables.filter((table) => !decided.has(table))).toEqual([])
    for (const table of closedToTenants)
      for (const privilege of ['select', 'insert', 'update', 'delete']) {
        const [row] = await query<{ allowed: boolean }>(
          `select has_table_privilege('reef_app', 'public.${table}', '${privilege}') as allowed`,
        )
        expect([table, privilege, row?.allowed]).toEqual([table, privilege, false])
      }
  })

  it('shows a tenant nothing but its own rows in any table, whatever the application forgets', async () => {
    const [ours, theirs] = people
    for (const table of tenantTables) {
      const seen = await test.database.inTenant(ours.organizationId, async (trx) => {
        const result = await sql<{
          organization_id: string
        }>`select organization_id from ${sql.table(table)}`.execute(trx)
        return result.rows.map((row) => row.organization_id)
      })
      expect([table, seen.filter((id) => id !== ours.organizationId)]).toEqual([table, []])
      if (['members', 'invitations', 'api_keys'].includes(table))
        expect([table, seen.length]).toEqual([table, 1])
    }
    const organizations = await test.database.inTenant(ours.organizationId, (trx) =>
      trx.selectFrom('organizations').select('id').execute(),
    )
    expect(organizations).toEqual([{ id: ours.organizationId }])
    expect(theirs.organizationId).not.toBe(ours.organizationId)
  })

  it('lets a tenant change and delete nothing but its own rows, whatever the application forgets', async () => {
    const [ours, theirs] = people
    const rollBack = new Error('roll back')
    const attempt = (
      statement: (trx: Parameters<Parameters<typeof test.database.inTenant>[1]>[0]) => Promise<bigint>,
    ) =>
      new Promise<bigint>((resolve, reject) => {
        let affected = 0n
        test.database
          .inTenant(ours.organizationId, async (trx) => {
            affected = await statement(trx)
            throw rollBack
          })
          .catch((error) => (error === rollBack ? resolve(affected) : reject(error)))
      })
    for (const table of ['members', 'invitations', 'api_keys'] as const) {
      expect(
        await attempt(async (trx) => (await trx.deleteFrom(table).executeTakeFirst()).numDeletedRows),
      ).toBe(1n)
      const moved = test.database.inTenant(ours.organizationId, (trx) =>
        trx.updateTable(table).set({ organization_id: theirs.organizationId }).execute(),
      )
      await expect(moved).rejects.toThrow(/row-level security/)
    }
  })

  it('shows nothing to a transaction that names nobody', async () => {
    for (const table of [...tenantTables, 'organizations', 'token_families']) {
      const result = await test.database.inTenant('', (trx) =>
        sql`select 1 from ${sql.table(table)}`.execute(trx),
      )
      expect([table, result.rows.length]).toEqual([table, 0])
    }
  })

  it('shows a person their own memberships and log-ins and nobody else’s', async () => {
    const [ours] = people
    const seen = await test.database.asUser(ours.user.id, async (trx) => ({
      members: await trx.selectFrom('members').select('user_id').execute(),
      organizations: await trx.selectFrom('organizations').select('id').execute(),
      families: await trx.selectFrom('token_families').select('user_id').execute(),
      apiKeys: await trx.selectFrom('api_keys').select('id').execute(),
    }))
    expect(seen).toEqual({
      members: [{ user_id: ours.user.id }],
      organizations: [{ id: ours.organizationId }],
      families: [{ user_id: ours.user.id }],
      apiKeys: [],
    })
    const stranger = await test.database.asUser(newId(), (trx) =>
      trx.selectFrom('members').selectAll().execute(),
    )
    expect(stranger).toEqual([])
  })
})
