import { join } from 'node:path'
import { openCallJournal } from '../adapters/local-disk/call-journal.ts'
import type { Config } from '../config.ts'
import type { Database } from '../db/database.ts'
import type { Authenticator } from '../domain/accounts/principal.ts'
import { createCallSettlements } from '../domain/credits/call-settlements.ts'
import { startCallSweep } from '../domain/credits/call-sweep.ts'
import { createCreditMeter } from '../domain/credits/credit-meter.ts'
import type { Shortage } from '../domain/credits/holds.ts'
import { createPrices, type PriceService } from '../domain/credits/price-service.ts'
import type { Operators } from '../domain/operators/operators.ts'
import type { Meter } from '../domain/usage/meter.ts'
import { registerPriceRoutes } from '../http/routes/prices.ts'
import type { Server } from '../http/server.ts'
import { modelCatalogue } from '../models/catalogue.ts'
import type { Logger } from '../telemetry/log.ts'

interface MeteringDeps {
  config: Config
  database: Database
  log: Logger
  /** Where people buy credits. */
  creditsUrl: string
  onExhausted?: (organizationId: string, shortage: Shortage) => void
}

/** What things cost, and what model calls did cost. */
export interface Metering {
  prices: PriceService
  meter: Meter
  registerRoutes(server: Server, deps: { authenticator: Authenticator; operators: Operators }): void
  /** What the operator should know, one sentence each. */
  notices(): Promise<string[]>
  start(): void
  /** Once no call is under way any more. */
  stop(): Promise<void>
}

export function openMetering({ config, database, log, creditsUrl, onExhausted }: MeteringDeps): Metering {
  const prices = createPrices(database)
  const journal = openCallJournal({
    file: join(config.REEF_DATA_DIR, 'model-calls.journal'),
    onError: (error) => log.error({ err: error }, 'the journal of model calls cannot be written'),
  })
  const settlements = createCallSettlements({
    database,
    journal,
    onLost: (error, { call, cost }) =>
      log.error({ err: error, callId: call.id, costMicros: cost }, 'usage could not be written'),
  })
  const unpricedModels = async (): Promise<string[]> => {
    const { list } = await prices.current()
    return modelCatalogue(config)
      .offered.map(({ id }) => id)
      .filter((id) => list.models[id] === undefined)
  }
  let sweep: { stop(): Promise<void> } | undefined
  return {
    prices,
    meter: createCreditMeter({
      database,
      prices,
      settlements,
      journal,
      creditsUrl,
      ...(onExhausted ? { onExhausted } : {}),
    }),
    registerRoutes: (server, deps) => registerPriceRoutes(server, { ...deps, prices, unpricedModels }),
    notices: async () =>
      (await unpricedModels()).map(
        (id) =>
          `The model ${id} has no price, so nobody can use it: add it to the price list (POST /api/admin/prices).`,
      ),
    start: () => {
      settlements.start()
      sweep = startCallSweep({
        database,
        onError: (error) => log.warn({ err: error }, 'abandoned model calls were not closed'),
      })
    },
    stop: async () => {
      await sweep?.stop()
      await settlements.stop()
      journal.close()
    },
  }
}
