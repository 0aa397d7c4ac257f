import { sql } from 'kysely'
import { advisoryLocks } from '../../db/advisory-locks.ts'
import type { Database, Trx } from '../../db/database.ts'
import { notify } from '../../db/notify.ts'
import { newId } from '../../ids.ts'
import type { Alarms } from './alarms.ts'
import { databaseNow, findNewest } from './rows.ts'

export interface DrillsDeps {
  database: Database
  alarms: Alarms
  /** What slots of the pool are made of now. */
  slots: { driver: string; specVersion: string }
  /** Days between two drills of one instance; 0: none. */
  everyDays: number
}

/** A cold boot, a large state and a busy machine together. */
const drillMinutesMax = 30

/**
 * Restores the newest backup of one instance after the other on a machine that is made for it and then thrown away, and
 * calls it good only when OpenClaw answers with it. One at a time: it is a boot, and people's own come first.
 */
export async function runDrills(deps: DrillsDeps): Promise<void> {
  const { database, alarms } = deps
  const overdue = await database.asSystem(endOverdue)
  for (const drill of overdue)
    await alarms.raise({
      kind: 'drill_failed',
      organizationId: drill.organization_id,
      instanceId: drill.instance_id,
      message: overdueMessage,
    })
  const passed = await database.asSystem(retireMachines)
  for (const instanceId of passed) await alarms.clear('drill_failed', instanceId)
  if (deps.everyDays > 0) await database.asSystem((trx) => beginNext(trx, deps))
}

/** The next one, whatever the timetable says. */
export async function demandDrill(trx: Trx, instanceId: string, organizationId: string): Promise<void> {
  await trx
    .insertInto('backup_schedules')
    .values({
      instance_id: instanceId,
      organization_id: organizationId,
      next_at: databaseNow,
      drill_at: databaseNow,
    })
    .onConflict((conflict) => conflict.column('instance_id').doUpdateSet({ drill_at: databaseNow }))
    .execute()
}

const overdueMessage = `The restored OpenClaw did not answer within ${drillMinutesMax} minutes.`

async function endOverdue(trx: Trx) {
  const ended = await trx
    .updateTable('backup_drills')
    .set({ state: 'failed', message: overdueMessage, finished_at: databaseNow })
    .where('state', '=', 'running')
    .where(sql<boolean>`started_at < clock_timestamp() - make_interval(mins => ${drillMinutesMax})`)
    .returning(['organization_id', 'instance_id', 'backup_id'])
    .execute()
  for (const { backup_id } of ended)
    await trx
      .updateTable('backups')
      .set({ verify_failure: overdueMessage })
      .where('id', '=', backup_id)
      .execute()
  return ended
}

/** Whatever came of it, the machine holds a copy of somebody's state and goes. Answers whose drill was passed. */
async function retireMachines(trx: Trx): Promise<string[]> {
  const ended = await trx
    .selectFrom('backup_drills')
    .innerJoin('slots', 'slots.id', 'backup_drills.slot_id')
    .select(['slots.id', 'backup_drills.state', 'backup_drills.instance_id'])
    .where('backup_drills.state', '<>', 'running')
    .where('slots.state', '=', 'terminating')
    .where('slots.wanted', '<>', 'removed')
    .execute()
  for (const { id } of ended) {
    await trx
      .updateTable('slots')
      .set({ wanted: 'removed', retry_at: null, next_reconcile_at: databaseNow, updated_at: databaseNow })
      .where('id', '=', id)
      .execute()
    await notify(trx, 'slot_changed', id)
  }
  return ended.filter(({ state }) => state === 'passed').map(({ instance_id }) => instance_id)
}

async function beginNext(trx: Trx, { slots, everyDays }: DrillsDeps): Promise<void> {
  // Only one control plane at a time gets past this.
  const { rows } = await sql<{
    locked: boolean
  }>`select pg_try_advisory_xact_lock(${advisoryLocks.drills}) as locked`.execute(trx)
  const running = await trx
    .selectFrom('backup_drills')
    .select('id')
    .where('state', '=', 'running')
    .executeTakeFirst()
  if (!rows[0]?.locked || running) return
  const due = await trx
    .selectFrom('backup_schedules')
    .select(['instance_id', 'organization_id'])
    .where('drill_at', '<=', databaseNow)
    .orderBy('drill_at')
    .limit(1)
    .executeTakeFirst()
  if (!due) return
  await trx
    .updateTable('backup_schedules')
    .set({ drill_at: sql<Date>`clock_timestamp() + make_interval(secs => ${everyDays * 86_400})` })
    .where('instance_id', '=', due.instance_id)
    .execute()
  const backup = await findNewest(trx, due.instance_id)
  if (!backup) return
  await trx
    .insertInto('backup_drills')
    .values({
      id: newId(),
      organization_id: due.organization_id,
      instance_id: due.instance_id,
      backup_id: backup.id,
      slot_id: await insertMachine(trx, slots),
      state: 'running',
    })
    .execute()
}

/**
 * A slot that is on its way out from its first moment: the pool neither counts nor hands it out, and it runs until its
 * drill is over. It is made anew, because one of the pool would be missing there.
 */
async function insertMachine(trx: Trx, slots: DrillsDeps['slots']): Promise<string> {
  const id = newId()
  await trx
    .insertInto('slots')
    .values({
      id,
      driver: slots.driver,
      spec_version: slots.specVersion,
      state: 'terminating',
      wanted: 'running',
    })
    .execute()
  await notify(trx, 'slot_changed', id)
  return id
}
