import { Kysely, PostgresDialect, sql, type Transaction } from 'kysely'
import pg from 'pg'
import type { Tables } from './schema.ts'
import { SystemDialect } from './system-dialect.ts'

export type Trx = Transaction<Tables>

/**
 * The only way to the tables. The login role holds no privilege on tenant tables, so a query that forgets to say for
 * whom it runs fails loudly; each transaction takes one role with `SET LOCAL` and loses it at its end, which also
 * holds behind a pooler in transaction mode.
 */
export interface Database {
  /** One organization's rows and nothing else, by row-level security. */
  inTenant<T>(organizationId: string, work: (trx: Trx) => Promise<T>): Promise<T>
  /** What one person may see of themselves across organizations: their memberships and refresh tokens. */
  asUser<T>(userId: string, work: (trx: Trx) => Promise<T>): Promise<T>
  /** Reconcilers, the link, log-in: work that serves every organization. Never with a tenant's input as its filter alone. */
  asSystem<T>(work: (trx: Trx) => Promise<T>): Promise<T>
  /** For the log-in library, which runs its own queries: reaches users, user_credentials and user_verifications only. */
  readonly identity: Kysely<Tables>
  /** Resolves when a connection answers; rejects otherwise. For /readyz. */
  ping(): Promise<void>
  close(): Promise<void>
}

export interface DatabaseOptions {
  /** Connection URL of the login role (see `roles.ts`). */
  url: string
  /** Most connections in the pool. */
  connectionsMax?: number
  /** Called for errors of idle connections, for example when the server restarts. */
  onIdleError?: (error: Error) => void
}

// Byte counts, token counts and sequence numbers stay far below 2^53, so they are plain numbers here.
const int8Oid = 20
const types: pg.CustomTypesConfig = {
  getTypeParser: ((oid: number, format?: 'text' | 'binary') =>
    oid === int8Oid
      ? Number
      : pg.types.getTypeParser(oid, format as 'text')) as pg.CustomTypesConfig['getTypeParser'],
}

export function openDatabase(options: DatabaseOptions): Database {
  const pool = new pg.Pool({
    connectionString: options.url,
    max: options.connectionsMax ?? 20,
    connectionTimeoutMillis: 10_000,
    idleTimeoutMillis: 30_000,
    types,
  })
  // Without a listener an idle connection's error ends the process.
  pool.on('error', (error) => options.onIdleError?.(error))
  // The same goes for one that is lost between two queries of a transaction; the next query then fails by itself.
  pool.on('connect', (client) => client.on('error', () => undefined))
  const kysely = new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) })
  const system = new Kysely<Tables>({ dialect: new SystemDialect({ pool }) })

  const withScope = <T>(
    scope: { organizationId?: string; userId?: string },
    work: (trx: Trx) => Promise<T>,
  ): Promise<T> =>
    kysely.transaction().execute(async (trx) => {
      await sql`select set_config('role', 'reef_app', true),
        set_config('reef.organization_id', ${scope.organizationId ?? ''}, true),
        set_config('reef.user_id', ${scope.userId ?? ''}, true)`.execute(trx)
      return work(trx)
    })

  let ended: Promise<void> | undefined
  return {
    inTenant: (organizationId, work) => withScope({ organizationId }, work),
    asUser: (userId, work) => withScope({ userId }, work),
    asSystem: (work) => system.transaction().execute(work),
    identity: kysely,
    ping: async () => {
      await sql`select 1`.execute(kysely)
    },
    // Not by destroying one of both, which ends the pool only when that one was used.
    close: () => {
      ended ??= pool.end()
      return ended
    },
  }
}
