import { sql } from 'kysely'
import type { Database } from '../../db/database.ts'
import type { Logger } from '../../telemetry/log.ts'
import type { Handle } from './compute.ts'
import type { ComputeDrivers } from './drivers.ts'
import { memoryNeeds } from './room.ts'

/** Nobody has used it and it has not worked for so long; most are suspended sooner. */
const quietSeconds = 300
const againSeconds = 1800
/** Less than this is not worth the trouble. */
const gainBytesMin = 128 * 1024 ** 2
const trimmedMax = 4

/**
 * Takes from instances that are awake and quiet what they have not touched lately: OpenClaw holds twice what it works
 * with. Only where there is swap to take it to. For a timer; control planes share the work by locks of rows.
 */
export function createTrimmer(deps: { database: Database; drivers: ComputeDrivers; log: Logger }) {
  return async (): Promise<void> => {
    const driver = deps.drivers.current
    if (!driver.trim || !driver.capabilities.freeze || !driver.hosts) return
    const slots = await claimQuiet(deps.database, driver.name)
    if (slots.length === 0) return
    const hosts = await driver.hosts()
    for (const slot of slots) {
      const host = hosts.find(({ slots }) => slots.some(({ slotId }) => slotId === slot.id))
      if (!host || host.swapFreeBytes < memoryNeeds.bootBytes) continue
      await driver
        .trim(slot.handle as Handle, { toBytes: memoryNeeds.workingSetBytes })
        .catch((error) => deps.log.warn({ err: error, slotId: slot.id }, 'an instance was not trimmed'))
    }
  }
}

async function claimQuiet(database: Database, driver: string): Promise<{ id: string; handle: unknown }[]> {
  const { rows } = await database.asSystem((trx) =>
    sql<{ id: string; handle: unknown }>`
      update slots set trimmed_at = clock_timestamp() where id in (
        select slots.id from slots join instances on instances.id = slots.instance_id
        where slots.driver = ${driver} and slots.phase = 'running' and slots.wanted = 'running' and slots.ready
          and slots.turns_in_flight = 0 and slots.lease_owner is null
          and slots.memory_bytes > ${memoryNeeds.workingSetBytes + gainBytesMin}
          and greatest(instances.last_active_at, slots.active_at, slots.busy_at, slots.resumed_at, slots.started_at)
            < clock_timestamp() - make_interval(secs => ${quietSeconds})
          and (slots.trimmed_at is null or slots.trimmed_at < clock_timestamp() - make_interval(secs => ${againSeconds}))
        order by slots.trimmed_at nulls first limit ${trimmedMax} for no key update of slots skip locked)
      returning id, handle`.execute(trx),
  )
  return rows
}
