import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { inject } from 'vitest'
import { type Database, openDatabase } from '../../src/db/database.ts'
import { loginUrl } from '../../src/db/roles.ts'
import { testSecret } from './secret.ts'

export interface TestDatabase extends Database {
  /** As the application connects; a second `openDatabase` on it stands for a second control plane. */
  readonly loginUrl: string
  /** As the owner of the tables, who is subject to row-level security too, or a superuser. */
  readonly adminUrl: string
  /** Closes and drops it. */
  drop(): Promise<void>
}

/** A database of this test's own, cloned from the template in about 50 ms. */
export async function createTestDatabase(): Promise<TestDatabase> {
  const adminUrl = inject('adminUrl')
  const name = `reef_test_${randomBytes(6).toString('hex')}`
  await asAdmin(adminUrl, `create database ${name} template ${inject('templateName')}`)
  const url = new URL(adminUrl)
  url.pathname = `/${name}`
  const login = loginUrl(url.href, testSecret)
  const database = openDatabase({ url: login, connectionsMax: 10 })
  return {
    ...database,
    loginUrl: login,
    adminUrl: url.href,
    drop: async () => {
      await database.close()
      await asAdmin(adminUrl, `drop database ${name} with (force)`)
    },
  }
}

async function asAdmin(adminUrl: string, statement: string): Promise<void> {
  const admin = new pg.Client({ connectionString: adminUrl })
  await admin.connect()
  try {
    await admin.query(statement)
  } finally {
    await admin.end()
  }
}
