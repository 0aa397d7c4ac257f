import { sql } from 'kysely'
import type { Database, Trx } from '../../db/database.ts'
import { notify } from '../../db/notify.ts'
import type { Logger } from '../../telemetry/log.ts'
import type { Alarms } from './alarms.ts'
import { restoreIntoNewSlot } from './first-restore.ts'
import { tryOlder } from './restore-orders.ts'
import { databaseNow } from './rows.ts'
import type { BackupTaker } from './take.ts'

export interface RestoreWorkDeps {
  database: Database
  taker: Pick<BackupTaker, 'backUp'>
  alarms: Pick<Alarms, 'raise'>
  log: Logger
}

/** A state that was never saved and does not run cannot be secured, nor is there anything to lose. */
const nothingToSecure = 'instance_not_running'
/** It has just stopped: what was done in it is saved once it runs again, which it is being started for. */
const notYetSaved = 'backup_outdated'
const openHoursMax = 6
const silentMessage = 'The machine did not say within six hours what came of it.'
const underway = new Set<string>()

/** Moves every restore on that a person has asked for: first what is there now is secured, then the machine is told. */
export async function advanceRestores(deps: RestoreWorkDeps): Promise<void> {
  for (const alarm of await deps.database.asSystem(endForgotten)) await deps.alarms.raise(alarm)
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

/**
 * A first restore counts from when its machine was started, and only while that is wanted; and from when a file of the
 * backup was last found missing, since such a one waits and is not silent.
 */
const isForgotten = sql<boolean>`case kind
  when 'first' then exists (select from slots where slots.id = restores.slot_id and slots.wanted = 'running'
    and slots.phase = 'running' and slots.failure_code is null
    and greatest(restores.requested_at, slots.started_at, (select max(seen_at) from backup_alarms
      where backup_alarms.instance_id = restores.instance_id and backup_alarms.kind = 'content_missing'))
      < clock_timestamp() - make_interval(hours => ${openHoursMax}))
  else requested_at < clock_timestamp() - make_interval(hours => ${openHoursMax}) end`

/** A machine that never says what came of it must not stand in the way of another restore for ever. */
async function endForgotten(trx: Trx): Promise<Parameters<Alarms['raise']>[0][]> {
  const ended = await trx
    .updateTable('restores')
    .set({
      state: 'failed',
      message: sql<string>`case kind when 'first' then ${`${silentMessage} Another attempt follows.`}
        else ${`${silentMessage} Look at its log, then try again.`} end`,
      finished_at: databaseNow,
    })
    .where('state', 'in', ['securing', 'ordered'])
    .where(isForgotten)
    .returning(['organization_id', 'instance_id', 'backup_id', 'slot_id', 'kind'])
    .execute()
  const alarms = []
  for (const restore of ended) {
    const { organization_id, instance_id, slot_id, kind } = restore
    const outcome =
      kind === 'first' && slot_id
        ? await startOver(trx, restore, slot_id)
        : 'Look at its log, then try again.'
    if (slot_id) await notify(trx, 'slot_changed', slot_id)
    await notify(trx, 'instance_changed', instance_id)
    alarms.push({
      kind: 'restore_failed' as const,
      organizationId: organization_id,
      instanceId: instance_id,
      message: `${silentMessage} ${outcome}`,
    })
  }
  return alarms
}

/**
 * What no machine has refused is no reason to start empty: an older backup is next. Without one the machine is stopped,
 * with a reason for its owner to see, and its next start begins with the newest again.
 */
async function startOver(
  trx: Trx,
  forgotten: { organization_id: string; instance_id: string; backup_id: string },
  slotId: string,
): Promise<string> {
  if (await tryOlder(trx, forgotten, slotId)) return 'An older backup is tried now.'
  const { organization_id, instance_id } = forgotten
  await restoreIntoNewSlot(trx, { id: instance_id, organization_id }, slotId)
  await trx
    .updateTable('slots')
    .set({
      failure_code: 'never_ready',
      failure_message: 'No backup of it was put back within six hours.',
      next_reconcile_at: databaseNow,
      updated_at: databaseNow,
    })
    .where('id', '=', slotId)
    .execute()
  return 'Its machine was stopped: restart the instance, and the newest backup is tried again.'
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
    if (code === notYetSaved) return
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
