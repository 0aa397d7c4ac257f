import pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts'
import { openDatabase } from './database.ts'
import { isDatabaseUnavailable } from './unavailable.ts'

let database: TestDatabase
beforeAll(async () => {
  database = await createTestDatabase()
})
afterAll(() => database.drop())

const failureOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => undefined,
    (error) => error,
  )

it('knows a server that does not answer', async () => {
  const nowhere = openDatabase({ url: 'postgres://nobody@127.0.0.1:1/none' })
  expect(isDatabaseUnavailable(await failureOf(nowhere.ping()))).toBe(true)
  await nowhere.close()
})

it('knows a connection that was cut in the middle of a transaction', async () => {
  const cut = database.asSystem(async (trx) => {
    const admin = new pg.Client({ connectionString: database.adminUrl })
    await admin.connect()
    await admin.query(
      'select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()',
    )
    await admin.end()
    await trx.selectFrom('organizations').select('id').execute()
  })
  expect(isDatabaseUnavailable(await failureOf(cut))).toBe(true)
  await database.ping()
})

it('takes no other error for one', async () => {
  const broken = failureOf(database.identity.selectFrom('organizations').selectAll().execute())
  expect(isDatabaseUnavailable(await broken)).toBe(false)
  expect(isDatabaseUnavailable(new Error('something else'))).toBe(false)
})
