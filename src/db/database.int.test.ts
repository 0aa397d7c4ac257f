import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts'
import { newId } from '../ids.ts'

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
})
