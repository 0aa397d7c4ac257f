import { join } from 'node:path'
import { openLocalDisk } from '../adapters/local-disk/local-disk.ts'
import type { Config } from '../config.ts'
import type { Database } from '../db/database.ts'
import type { Listener } from '../db/listen.ts'
import type { Authenticator } from '../domain/accounts/principal.ts'
import { createAnchorSigner } from '../domain/credits/anchor-file.ts'
import { createAnchorWriter, readAnchors } from '../domain/credits/anchors.ts'
import { createBalances } from '../domain/credits/balance.ts'
import { createGrants } from '../domain/credits/grants.ts'
import { createLedger, type Ledger } from '../domain/credits/ledger.ts'
import { createLedgerAudit } from '../domain/credits/ledger-audit.ts'
import { createLedgerWorker } from '../domain/credits/ledger-worker.ts'
import type { PriceService } from '../domain/credits/price-service.ts'
import type { LaunchCredits } from '../domain/credits/runtime-launch.ts'
import { createStatements } from '../domain/credits/statement.ts'
import { createOperators } from '../domain/operators/operators.ts'
import type { Meter } from '../domain/usage/meter.ts'
import { createUsageReports } from '../domain/usage/report.ts'
import { registerCreditRoutes } from '../http/routes/credits.ts'
import { registerLedgerAdminRoutes } from '../http/routes/ledger-admin.ts'
import { registerUsageRoutes } from '../http/routes/usage.ts'
import type { Server } from '../http/server.ts'
import type { RootSecret } from '../secrets.ts'
import type { Logger } from '../telemetry/log.ts'
import { openRemote } from './backups.ts'
import { openMetering } from './metering.ts'
import { openRuntime } from './runtime.ts'

interface CreditsDeps {
  config: Config
  secret: RootSecret
  database: Database
  listener: Listener
  log: Logger
  /** Of the dashboard. */
  publicUrl: string
}

/** What credits are, what things cost, and who is asked before something is spent. */
export interface Credits {
  ledger: Ledger
  prices: PriceService
  /** Asked before every model call. */
  meter: Meter
  /** Asked before an instance starts. */
  launch: LaunchCredits
  registerRoutes(server: Server, deps: { authenticator: Authenticator }): void
  /** What the operator should know, one sentence each. */
  notices(): Promise<string[]>
  /** `settle` brings an instance at once to what it should be, once its credits run out or come back. */
  start(settle: (instanceId: string) => Promise<void>): void
  /** When nothing spends any more. */
  stop(): Promise<void>
}

export async function openCredits(deps: CreditsDeps): Promise<Credits> {
  const { config, secret, database, log } = deps
  const metering = openMetering({
    config,
    database,
    log,
    creditsUrl: `${deps.publicUrl}/credits`,
    onExhausted: (organizationId, shortage) => runtime.hold(organizationId, shortage),
  })
  const { prices } = metering
  const runtime = openRuntime({ ...deps, prices, leaseSeconds: config.LEASE_SECONDS })
  const ledger = createLedger(database)
  const remote = await openRemote(config)
  const anchors = {
    database,
    signer: createAnchorSigner(secret),
    stores: [...(remote ? [remote] : []), openLocalDisk(join(config.REEF_DATA_DIR, 'ledger'))],
  }
  const audit = createLedgerAudit({ database, anchors: () => readAnchors(anchors) })
  const worker = createLedgerWorker({
    database,
    anchors: createAnchorWriter(anchors),
    audit,
    usageDays: config.REEF_USAGE_DAYS,
    log,
  })
  const operators = createOperators(database)
  return {
    ledger,
    prices,
    meter: metering.meter,
    launch: runtime.launch,
    notices: metering.notices,
    registerRoutes: (server, { authenticator }) => {
      metering.registerRoutes(server, { authenticator, operators })
      registerCreditRoutes(server, {
        authenticator,
        balances: createBalances({ database, prices }),
        statements: createStatements(database),
        paymentsPossible: () => config.STRIPE_SECRET_KEY !== undefined,
      })
      registerUsageRoutes(server, { authenticator, reports: createUsageReports(database) })
      registerLedgerAdminRoutes(server, {
        authenticator,
        operators,
        grants: createGrants({ database, ledger }),
        audit,
      })
    },
    start: (settle) => {
      metering.start()
      runtime.start(settle)
      worker.start()
    },
    stop: async () => {
      await runtime.stop()
      await metering.stop()
      // Last, so that what was spent until now is anchored.
      await worker.stop()
    },
  }
}
