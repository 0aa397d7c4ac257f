import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import type { TestProject } from 'vitest/node'
import { startEmbeddedPostgres } from '../../src/db/embedded.ts'
import { migrate } from '../../src/db/migrate.ts'
import { testSecret } from './secret.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** URL of a role that may create databases, on the server that holds the template. */
    adminUrl: string
    templateName: string
  }
}

/**
 * One PostgreSQL and one migrated template per test run; each test file clones it. REEF_TEST_DATABASE_URL names a
 * server to use instead of the private one, as a role that may create databases and roles.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const external = process.env.REEF_TEST_DATABASE_URL
  const directory = await mkdtemp(join(tmpdir(), 'reef-test-'))
  // PostgreSQL runs as another user when the tests run as root.
  await chmod(directory, 0o755)
  const embedded = external ? undefined : await startEmbeddedPostgres(directory)
  const adminUrl = external ?? (embedded as { superuserUrl: string }).superuserUrl
  const templateName = `reef_template_${process.pid}`
  await withAdmin(adminUrl, async (admin) => {
    if (embedded) await forgetAtPowerLoss(admin)
    await admin.query(`create database ${templateName}`)
  })
  const url = new URL(adminUrl)
  url.pathname = `/${templateName}`
  await migrate(url.href, testSecret)
  project.provide('adminUrl', adminUrl)
  project.provide('templateName', templateName)
  return async () => {
    if (embedded) await embedded.stop()
    else await withAdmin(adminUrl, (admin) => admin.query(`drop database ${templateName} with (force)`))
    await rm(directory, { recursive: true, force: true })
  }
}

/** This server ends with the run, so nothing of it must outlive the machine; whoever kills it has one of their own. */
async function forgetAtPowerLoss(admin: pg.Client): Promise<void> {
  for (const setting of ['fsync', 'full_page_writes', 'synchronous_commit'])
    await admin.query(`alter system set ${setting} = off`)
  await admin.query('select pg_reload_conf()')
}

async function withAdmin(adminUrl: string, work: (admin: pg.Client) => Promise<unknown>): Promise<void> {
  const admin = new pg.Client({ connectionString: adminUrl })
  await admin.connect()
  try {
    await work(admin)
  } finally {
    await admin.end()
  }
}
