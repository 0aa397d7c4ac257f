import type { Database } from '../../db/database.ts'
import type { Logger } from '../../telemetry/log.ts'
import type { Handle } from './compute.ts'
import type { ComputeDrivers } from './drivers.ts'
import { afterStop } from './slot-lifecycle.ts'
import { databaseNow, lockSlot, updateSlot } from './store.ts'

/**
 * Stops every machine of the current driver without touching what people want: the rows say that the machines have
 * ended, so the next start boots them. Returns the instances they belong to.
 */
export async function stopMachines(deps: {
  database: Database
  log: Logger
  drivers: ComputeDrivers
  stopGraceSeconds: number
}): Promise<string[]> {
  const driver = deps.drivers.current
  const slots = await deps.database.asSystem((trx) =>
    trx
      .selectFrom('slots')
      .select(['id', 'handle', 'instance_id'])
      .where('driver', '=', driver.name)
      .where('phase', 'in', ['starting', 'running', 'suspended'])
      .where('handle', 'is not', null)
      .execute(),
  )
  const graceSeconds = Math.min(deps.stopGraceSeconds, driver.capabilities.stopGraceSecondsMax)
  await Promise.all(
    slots.map(async (slot) => {
      try {
        await driver.stop(slot.handle as Handle, { graceSeconds })
        await deps.database.asSystem(async (trx) => {
          const fresh = await lockSlot(trx, { id: slot.id })
          if (fresh)
            await updateSlot(trx, slot.id, afterStop(fresh.now), {
              next_reconcile_at: databaseNow,
              ...(fresh.state === 'available' ? { state: 'initializing' } : {}),
            })
        })
      } catch (error) {
        deps.log.warn({ err: error, slotId: slot.id }, 'machine not stopped; the next start adopts it')
      }
    }),
  )
  return slots.flatMap((slot) => slot.instance_id ?? [])
}
