import type { Database } from '../../db/database.ts'
import type { Logger } from '../../telemetry/log.ts'
import type { ListedSlot } from './compute.ts'
import type { ComputeDrivers } from './drivers.ts'
import { databaseNow } from './store.ts'

export interface SweepDeps {
  database: Database
  log: Logger
  drivers: ComputeDrivers
  onDue(): void
}

/**
 * Compares what the driver lists with the table. A machine whose slot was removed is an orphan and is removed. One that
 * no row ever spoke of is removed only if the next sweep finds the same, and never while the table knows no slot of
 * this driver at all: that is a wrong or restored database, and the machines hold people's data. A slot whose machine
 * is not listed is looked at by its worker, which starts it again only when the driver confirms that it is gone.
 */
export function createSweeper(deps: SweepDeps): () => Promise<void> {
  let strangers = new Set<string>()

  return async () => {
    const driver = deps.drivers.current
    const listed = await driver.list()
    // Read after the list: a row is always written before its machine is made, so every machine listed has its row.
    const rows = await deps.database.asSystem((trx) =>
      trx
        .selectFrom('slots')
        .select(['id', 'state', 'handle', 'phase'])
        .where('driver', '=', driver.name)
        .execute(),
    )
    const states = new Map(rows.map((row) => [row.id, row.state]))
    const unknown = listed.filter((machine) => !states.has(machine.slotId))
    if (unknown.length > 0 && rows.length === 0) {
      deps.log.error(
        { machines: unknown.length },
        'the driver lists machines but the database knows none; nothing is removed. Is this the right database?',
      )
      return
    }
    const confirmed = unknown.filter((machine) => strangers.has(machine.slotId))
    strangers = new Set(unknown.map((machine) => machine.slotId))
    const orphans = listed.filter((machine) => states.get(machine.slotId) === 'removed')
    for (const machine of [...orphans, ...confirmed]) {
      deps.log.warn({ slotId: machine.slotId }, 'removing an orphaned machine')
      await driver.remove(machine.handle)
    }
    const handles = new Map<string, ListedSlot>(listed.map((machine) => [machine.slotId, machine]))
    const found = rows.filter((row) => row.handle === null && row.state !== 'removed' && handles.has(row.id))
    const lost = rows.filter(
      (row) =>
        ['starting', 'running', 'suspended'].includes(row.phase) &&
        row.handle !== null &&
        !handles.has(row.id),
    )
    await markDue(
      deps.database,
      found.map((row) => handles.get(row.id)).filter((machine) => machine !== undefined),
      lost.map((row) => row.id),
    )
    if (found.length > 0 || lost.length > 0) deps.onDue()
  }
}

async function markDue(database: Database, found: ListedSlot[], lost: string[]): Promise<void> {
  await database.asSystem(async (trx) => {
    // Under a lease somebody is at it already.
    for (const machine of found)
      await trx
        .updateTable('slots')
        .set({ handle: JSON.stringify(machine.handle), phase: 'starting', next_reconcile_at: databaseNow })
        .where('id', '=', machine.slotId)
        .where('handle', 'is', null)
        .where('state', '<>', 'removed')
        .where('lease_owner', 'is', null)
        .execute()
    if (lost.length > 0)
      await trx
        .updateTable('slots')
        .set({ observed_at: null, next_reconcile_at: databaseNow })
        .where('id', 'in', lost)
        .where('lease_owner', 'is', null)
        .execute()
  })
}
