import pg from 'pg'
import type { RootSecret } from '../secrets.ts'
import { advisoryLocks } from './advisory-locks.ts'

/**
 * The roles behind row-level security. `reef_app` and `reef_worker` cannot log in; the login role is a member of both
 * but inherits neither, so it has nothing until a transaction takes one. Its name and password come from the root
 * secret: every control plane with the same secret finds the same role, and nothing needs to be configured.
 */
function loginRole(secret: RootSecret): { name: string; password: string } {
  return {
    name: `reef_login_${secret.deriveKey('database login role').toString('hex').slice(0, 8)}`,
    password: secret.deriveToken('database login password', 'v1'),
  }
}

/** The owner's URL with the login role's name and password in place of the owner's. */
export function loginUrl(ownerUrl: string, secret: RootSecret): string {
  const role = loginRole(secret)
  const url = new URL(ownerUrl)
  url.username = role.name
  url.password = role.password
  return url.href
}

/** Creates or repairs the three roles. The owner needs CREATEROLE; without it the message says what to do. */
export async function ensureRoles(owner: pg.Client, secret: RootSecret): Promise<void> {
  const login = loginRole(secret)
  const name = pg.escapeIdentifier(login.name)
  const password = pg.escapeLiteral(login.password)
  await owner.query('begin')
  try {
    await owner.query('select pg_advisory_xact_lock($1)', [advisoryLocks.roles])
    const { rows } = await owner.query<{ rolname: string }>(
      'select rolname from pg_roles where rolname = any($1)',
      [['reef_app', 'reef_worker', login.name]],
    )
    const existing = new Set(rows.map((row) => row.rolname))
    for (const group of ['reef_app', 'reef_worker'])
      if (!existing.has(group)) await owner.query(`create role ${group} nologin`)
    if (!existing.has(login.name))
      await owner.query(`create role ${name} login noinherit password ${password}`)
    await owner.query(`grant reef_app, reef_worker to ${name}`)
    await owner.query('commit')
  } catch (error) {
    await owner.query('rollback')
    if ((error as { code?: string }).code === '42501')
      throw new Error(
        'The role of DATABASE_URL may not create roles. As an administrator of the server run: ' +
          `alter role ${owner.user ?? 'THE_ROLE'} createrole`,
        { cause: error },
      )
    throw error
  }
}

/** What log-in needs before any tenant is known. Runs after the migrations, since it names their tables. */
export async function grantIdentityTables(owner: pg.Client, secret: RootSecret): Promise<void> {
  const name = pg.escapeIdentifier(loginRole(secret).name)
  await owner.query(
    `grant select, insert, update, delete on users, user_credentials, user_verifications to ${name}`,
  )
}
