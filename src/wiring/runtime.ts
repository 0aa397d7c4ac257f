import type { Database } from '../db/database.ts'
import type { Listener } from '../db/listen.ts'
import { holdForCredits, type Shortage } from '../domain/credits/holds.ts'
import type { PriceService } from '../domain/credits/price-service.ts'
import { type RuntimeTimes, runtimeTimes } from '../domain/credits/runtime-charge.ts'
import { createLaunchCredits, type LaunchCredits } from '../domain/credits/runtime-launch.ts'
import { createRuntimeSweep } from '../domain/credits/runtime-sweep.ts'
import type { Logger } from '../telemetry/log.ts'

/** What runs is paid for: asked before it starts, charged while it runs, ended when the credits are. */
export interface Runtime {
  launch: LaunchCredits
  /** A model call found too few credits: whatever runs for this organization is stopped. */
  hold(organizationId: string, shortage: Shortage): void
  /** `settle` brings an instance at once to what it should be now. */
  start(settle: (instanceId: string) => Promise<void>): void
  stop(): Promise<void>
}

export function openRuntime(deps: {
  database: Database
  listener: Listener
  prices: PriceService
  leaseSeconds: number
  log: Logger
}): Runtime {
  const { database, listener, prices, log } = deps
  const times: RuntimeTimes = { ...runtimeTimes, leaseSeconds: deps.leaseSeconds }
  let settleNow: ((instanceId: string) => Promise<void>) | undefined
  let stop: (() => Promise<void>) | undefined
  const holding = new Map<string, Promise<void>>()

  const holdNow = async (organizationId: string, shortage: Shortage): Promise<void> => {
    try {
      const held = await database.asSystem((trx) => holdForCredits(trx, organizationId, shortage))
      await Promise.all(held.map((id) => settleNow?.(id)))
    } catch (error) {
      log.warn(
        { err: error, organizationId },
        'instances were not stopped; the next refused call tries again',
      )
    } finally {
      holding.delete(organizationId)
    }
  }

  return {
    launch: createLaunchCredits({ prices, times }),
    hold: (organizationId, shortage) => {
      // A turn tries its model several times.
      if (!holding.has(organizationId)) holding.set(organizationId, holdNow(organizationId, shortage))
    },
    start: (settle) => {
      settleNow = settle
      const sweep = createRuntimeSweep({
        database,
        listener,
        prices,
        times,
        settle,
        onError: (error) => log.error({ err: error }, 'runtime was not charged; it is tried again'),
      })
      sweep.start()
      stop = sweep.stop
    },
    stop: async () => {
      await stop?.()
      await Promise.all(holding.values())
    },
  }
}
