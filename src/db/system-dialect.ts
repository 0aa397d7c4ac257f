import {
  CompiledQuery,
  type DatabaseConnection,
  type Driver,
  PostgresDialect,
  type PostgresDialectConfig,
  PostgresDriver,
} from 'kysely'

/** Begins a transaction and takes the role of background work in it, in one round trip instead of two. */
const beginAsSystem = `begin; select set_config('role', 'reef_worker', true),
  set_config('reef.organization_id', '', true), set_config('reef.user_id', '', true)`

class SystemDriver extends PostgresDriver {
  override async beginTransaction(connection: DatabaseConnection): Promise<void> {
    try {
      await connection.executeQuery(CompiledQuery.raw(beginAsSystem))
    } catch (error) {
      // Without its role nothing may be done in it, and nobody else would end it.
      await connection.executeQuery(CompiledQuery.raw('rollback')).catch(() => undefined)
      throw error
    }
  }
}

/** PostgreSQL for work that serves every organization. The pool is the caller's. */
export class SystemDialect extends PostgresDialect {
  readonly #config: PostgresDialectConfig

  constructor(config: PostgresDialectConfig) {
    super(config)
    this.#config = config
  }

  override createDriver(): Driver {
    return new SystemDriver(this.#config)
  }
}
