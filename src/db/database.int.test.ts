import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts'
import { eventually } from '../../test/support/eventually.ts'
import { newId } from '../ids.ts'
import { openDatabase } from './database.ts'

describe('database', () => {
  let database: TestDatabase
  const organizationIds = [newId(), newId()] as const

  beforeAll(async () => {
    database = await createTestDatabase()
    await database.asSystem((trx) =>
      trx
        .insertInto('organizations')
        .values(
          organizationIds.map((id, index) => ({
            id,
            name: 'Org',
            slug: `org-${index}`,
            personal_user_id: null,
          })),
        )
        .execute(),
    )
  })
  afterAll(() => database.drop())

  it('shows a tenant its own rows even when the query has no filter', async () => {
    const rows = await database.inTenant(organizationIds[0], (trx) =>
      trx.selectFrom('organizations').select('id').execute(),
    )
    expect(rows.map((row) => row.id)).toEqual([organizationIds[0]])
  })

  it('refuses a write into another tenant', async () => {
    await expect(
      database.inTenant(organizationIds[0], (trx) =>
        trx
          .insertInto('organizations')
          .values({ id: newId(), name: 'Org', slug: 'stolen', personal_user_id: null })
          .execute(),
      ),
    ).rejects.toThrow(/row-level security/)
  })

  it('refuses a query that does not say for whom it runs', async () => {
    await expect(database.identity.selectFrom('organizations').selectAll().execute()).rejects.toThrow(
      /permission denied/,
    )
  })

  it('leaves no connection behind when it is closed, also one that only background work has used', async () => {
    const url = new URL(database.loginUrl)
    url.searchParams.set('application_name', 'closes')
    const another = openDatabase({ url: url.href })
    const connections = async () => {
      const { rows } = await database.asSystem((trx) =>
        sql`select 1 from pg_stat_activity where application_name = 'closes'`.execute(trx),
      )
      return rows.length
    }
    await another.asSystem((trx) => trx.selectFrom('users').select('id').execute())
    expect(await connections()).toBe(1)
    await Promise.all([another.close(), another.close()])
    await eventually(async () => expect(await connections()).toBe(0))
  })
})
