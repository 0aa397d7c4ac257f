import { readdir, readFile } from 'node:fs/promises'
import pg from 'pg'
import type { RootSecret } from '../secrets.ts'
import { advisoryLocks } from './advisory-locks.ts'
import { ensureRoles, grantIdentityTables } from './roles.ts'

const directory = new URL('./migrations/', import.meta.url)

/**
 * Brings the database to this version of Reef: roles, then every numbered file of `migrations/` that has not run,
 * each in its own transaction. Control planes that start together wait for each other on an advisory lock.
 * Returns the names that ran now. Throws when the database is ahead of this version.
 */
export async function migrate(ownerUrl: string, secret: RootSecret): Promise<string[]> {
  const owner = new pg.Client({ connectionString: ownerUrl })
  await owner.connect()
  try {
    await owner.query('select pg_advisory_lock($1)', [advisoryLocks.migrations])
    await ensureRoles(owner, secret)
    await owner.query(
      'create table if not exists migrations (name text primary key, run_at timestamptz not null default now())',
    )
    await checkSecret(owner, secret)
    const files = (await readdir(directory)).filter((name) => name.endsWith('.sql')).sort()
    const { rows } = await owner.query<{ name: string }>('select name from migrations')
    const done = new Set(rows.map((row) => row.name))
    const unknown = [...done].find((name) => !files.includes(name))
    if (unknown)
      throw new Error(
        `The database holds the migration ${unknown}, which this version of Reef does not know. Start the newer version.`,
      )
    const pending = files.filter((name) => !done.has(name))
    for (const name of pending) await runFile(owner, name)
    await grantIdentityTables(owner, secret)
    return pending
  } finally {
    await owner.end()
  }
}

/**
 * Every credential is derived from the root secret, so two control planes with different ones on one database would
 * refuse each other's tokens. The first one's fingerprint is kept; a later one that differs is told so at start.
 */
async function checkSecret(owner: pg.Client, secret: RootSecret): Promise<void> {
  const fingerprint = secret.deriveKey('fingerprint').toString('hex')
  await owner.query(
    `create table if not exists installation
      (only_row boolean primary key default true check (only_row), secret_fingerprint text not null)`,
  )
  await owner.query('insert into installation (secret_fingerprint) values ($1) on conflict do nothing', [
    fingerprint,
  ])
  const { rows } = await owner.query<{ secret_fingerprint: string }>(
    'select secret_fingerprint from installation',
  )
  if (rows[0]?.secret_fingerprint !== fingerprint)
    throw new Error(
      'This database was set up with another root secret. Start with the same REEF_SECRET, or the same data directory, as the first control plane.',
    )
}

async function runFile(owner: pg.Client, name: string): Promise<void> {
  const text = await readFile(new URL(name, directory), 'utf8')
  await owner.query('begin')
  try {
    await owner.query(text)
    await owner.query('insert into migrations (name) values ($1)', [name])
    await owner.query('commit')
  } catch (error) {
    await owner.query('rollback')
    throw new Error(`Migration ${name} failed: ${(error as Error).message}`, { cause: error })
  }
}
