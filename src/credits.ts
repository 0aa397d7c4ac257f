import { join } from 'node:path'
import { openLocalDisk } from './adapters/local-disk/local-disk.ts'
import { openRemote } from './backups.ts'
import type { Config } from './config.ts'
import type { Database } from './db/database.ts'
import type { Authenticator } from './domain/accounts/principal.ts'
import { createAnchorSigner } from './domain/credits/anchor-file.ts'
import { createAnchorWriter, readAnchors } from './domain/credits/anchors.ts'
import { createBalances } from './domain/credits/balance.ts'
import { createGrants } from './domain/credits/grants.ts'
import { createLedger, type Ledger } from './domain/credits/ledger.ts'
import { createLedgerWorker } from './domain/credits/ledger-worker.ts'
import type { PriceList } from './domain/credits/prices.ts'
import { createStatements } from './domain/credits/statement.ts'
import { verifyLedger } from './domain/credits/verify.ts'
import { createOperators } from './domain/operators/operators.ts'
import { createUsageReports } from './domain/usage/report.ts'
import { registerCreditRoutes } from './http/routes/credits.ts'
import { registerLedgerAdminRoutes } from './http/routes/ledger-admin.ts'
import { registerUsageRoutes } from './http/routes/usage.ts'
import type { Server } from './http/server.ts'
import type { RootSecret } from './secrets.ts'
import type { Logger } from './telemetry/log.ts'

interface CreditsDeps {
  config: Config
  secret: RootSecret
  database: Database
  log: Logger
}

/** What credits are, what things cost, and who is asked before something is spent. */
export interface Credits {
  ledger: Ledger
  registerRoutes(server: Server, deps: { authenticator: Authenticator }): void
  start(): void
  /** When nothing spends any more. */
  stop(): Promise<void>
}

export async function openCredits({ config, secret, database, log }: CreditsDeps): Promise<Credits> {
  const list: PriceList = { models: {}, plans: {}, storagePerGibibyteMonth: 0, egressPerGibibyte: null }
  const prices = { current: async () => ({ version: 0, list }) }
  const ledger = createLedger(database)
  const remote = await openRemote(config)
  const anchors = {
    database,
    signer: createAnchorSigner(secret),
    stores: [...(remote ? [remote] : []), openLocalDisk(join(config.REEF_DATA_DIR, 'ledger'))],
  }
  const worker = createLedgerWorker({ database, anchors: createAnchorWriter(anchors), log })
  return {
    ledger,
    registerRoutes: (server, { authenticator }) => {
      registerCreditRoutes(server, {
        authenticator,
        balances: createBalances({ database, prices }),
        statements: createStatements(database),
        paymentsPossible: () => false,
      })
      registerUsageRoutes(server, { authenticator, reports: createUsageReports(database) })
      registerLedgerAdminRoutes(server, {
        authenticator,
        operators: createOperators(database),
        grants: createGrants({ database, ledger }),
        verify: () => verifyLedger({ database, anchors: () => readAnchors(anchors) }),
      })
    },
    start: worker.start,
    stop: worker.stop,
  }
}
