import pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts'
import { testSecret } from '../../test/support/secret.ts'
import { openRootSecret } from '../secrets.ts'
import { migrate } from './migrate.ts'

let database: TestDatabase
beforeAll(async () => {
  database = await createTestDatabase()
})
afterAll(() => database.drop())

async function onOwner<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: database.adminUrl })
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}

it('runs each migration once, however many control planes start together', async () => {
  const name = '9999_test.sql'
  await onOwner(async (client) => {
    // As if the newest migration had not run: exactly one of the racers may run it.
    const { rows } = await client.query('select name from migrations order by name')
    expect(rows.length).toBeGreaterThan(0)
    await client.query('insert into migrations (name) values ($1)', [name])
  })
  await expect(migrate(database.adminUrl, testSecret)).rejects.toThrow(
    /9999_test.sql.*Start the newer version/,
  )
  await onOwner((client) => client.query('delete from migrations where name = $1', [name]))
  const runs = await Promise.all(Array.from({ length: 4 }, () => migrate(database.adminUrl, testSecret)))
  expect(runs.flat()).toEqual([])
})

it('refuses a control plane with another root secret', async () => {
  const other = openRootSecret(Buffer.alloc(32, 8))
  await expect(migrate(database.adminUrl, other)).rejects.toThrow(/same REEF_SECRET/)
})

it('forces row-level security on every table that belongs to an organization', async () => {
  const { rows } = await onOwner((client) =>
    client.query<{ table: string; forced: boolean }>(
      `select c.relname as table, c.relrowsecurity and c.relforcerowsecurity as forced
         from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where n.nspname = 'public' and c.relkind = 'r'
          and (c.relname = 'organizations' or exists (
            select from pg_attribute a where a.attrelid = c.oid and a.attname = 'organization_id' and not a.attisdropped))`,
    ),
  )
  expect(rows.length).toBeGreaterThanOrEqual(8)
  expect(rows.filter((row) => !row.forced)).toEqual([])
})
