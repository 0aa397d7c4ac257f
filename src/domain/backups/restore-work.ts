import { sql } from 'kysely'
import type { Database, Trx } from '../../db/database.ts'
import { notify } from '../../db/notify.ts'
import type { Logger } from '../../telemetry/log.ts'
import { databaseNow } from './rows.ts'
import type { BackupTaker } from './take.ts'

export interface RestoreWorkDeps {
  database: Database
  taker: BackupTaker
  log: Logger
}

/** A state that was never saved and does not run cannot be secured, nor is there anything to lose. */
const nothingToSecure = 'instance_not_running'
const openHoursMax = 6
const underway = new Set<string>()

/** Moves every restore on that a person has asked for: first what is there now is secured, then the machine is told. */
export async function advanceRestores(deps: RestoreWorkDeps): Promise<void> {
  await deps.database.asSystem(endForgotten)
  const securing = await deps.database.asSystem((trx) =>
    trx.selectFrom('restores').selectAll().where('state', '=', 'securing').execute(),
  )
  for (const restore of securing) {
    if (underway.has(restore.id)) continue
    underway.add(restore.id)
    void secure(deps, restore.id, restore.instance_id)
      .catch((error: unknown) => deps.log.warn({ err: error, restoreId: restore.id }, 'a restore waits'))
      .finally(() => underway.delete(restore.id))
  }
}

/** A machine that never says what came of it must not stand in the way of another restore for ever. */
async function endForgotten(trx: Trx): Promise<void> {
  const ended = await trx
    .updateTable('restores')
    .set({
      state: 'failed',
      message: 'The machine did not say within six hours what came of it. Look at its log, then try again.',
      finished_at: databaseNow,
    })
    .where('state', 'in', ['securing', 'ordered'])
    .where(sql<boolean>`requested_at < clock_timestamp() - make_interval(hours => ${openHoursMax})`)
    .returning(['slot_id', 'instance_id'])
    .execute()
  for (const { slot_id, instance_id } of ended) {
    if (slot_id) await notify(trx, 'slot_changed', slot_id)
    await notify(trx, 'instance_changed', instance_id)
  }
}

async function secure({ database, taker }: RestoreWorkDeps, id: string, instanceId: string): Promise<void> {
  const serving = await database.asSystem((trx) => findSlot(trx, instanceId))
  // It is being started for this; the next look finds it.
  if (!serving) return
  let safetyBackupId: string | null = null
  try {
    safetyBackupId = (await taker.backUp(instanceId, 'before_restore')).id
  } catch (error) {
    const { code, message } = error as { code?: string; message: string }
    if (code !== nothingToSecure) return refuse(database, id, message)
  }
  await database.asSystem(async (trx) => {
    const slotId = await findSlot(trx, instanceId)
    if (!slotId) return
    const ordered = await trx
      .updateTable('restores')
      .set({ state: 'ordered', slot_id: slotId, safety_backup_id: safetyBackupId })
      .where('id', '=', id)
      .where('state', '=', 'securing')
      .returning('id')
      .executeTakeFirst()
    if (!ordered) return
    await trx
      .updateTable('slots')
      .set({ ready: false, next_reconcile_at: databaseNow, updated_at: databaseNow })
      .where('id', '=', slotId)
      .execute()
    await notify(trx, 'slot_changed', slotId)
    await notify(trx, 'instance_changed', instanceId)
  })
}

function refuse(database: Database, id: string, reason: string): Promise<void> {
  return database.asSystem(async (trx) => {
    await trx
      .updateTable('restores')
      .set({
        state: 'failed',
        message: `Nothing was changed: what is there now could not be secured first. ${reason}`,
        finished_at: databaseNow,
      })
      .where('id', '=', id)
      .where('state', '=', 'securing')
      .execute()
  })
}

async function findSlot(trx: Trx, instanceId: string): Promise<string | undefined> {
  const slot = await trx
    .selectFrom('slots')
    .select('id')
    .where('instance_id', '=', instanceId)
    .where('phase', '=', 'running')
    .where('wanted', '=', 'running')
    .where('ready', '=', true)
    .where('link_connected_at', 'is not', null)
    .executeTakeFirst()
  return slot?.id
}
