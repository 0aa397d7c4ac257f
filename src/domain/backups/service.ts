import type { Database, Trx } from '../../db/database.ts'
import { conflict, notFound } from '../../errors.ts'
import { isId, newId } from '../../ids.ts'
import type { Principal } from '../accounts/principal.ts'
import { maySee } from '../instances/instance.ts'
import { type Backup, type Restore, toBackup, toRestore } from './backup.ts'
import { demandDrill } from './drills.ts'
import { chooseBackup, previewOf, type RestorePreview, type RestoreWish } from './restore-choice.ts'
import { type BackupRow, findNewest } from './rows.ts'
import type { BackupTaker } from './take.ts'

/** What people do with backups of the instances that they may see. */
export interface BackupService {
  list(principal: Principal, instanceId: string): Promise<Backup[]>
  /** All of the caller's own in the organization, of deleted instances too: what a new instance can be given. */
  listOwn(principal: Principal): Promise<Backup[]>
  get(principal: Principal, backupId: string): Promise<Backup>
  /** Answers at once; `get` says when it is complete. */
  backUp(principal: Principal, instanceId: string): Promise<Backup>
  /** What a restore would change, without doing it. */
  preview(principal: Principal, wish: RestoreWish): Promise<RestorePreview>
  /** Answers at once; `getRestore` says what became of it. */
  restore(principal: Principal, wish: RestoreWish): Promise<Restore>
  getRestore(principal: Principal, restoreId: string): Promise<Restore>
  /** What was put into an instance, the newest first. */
  listRestores(principal: Principal, instanceId: string): Promise<Restore[]>
  /** Has the newest backup restored on trial as soon as there is room; `listDrills` says what came of it. */
  drill(principal: Principal, instanceId: string): Promise<void>
  listDrills(principal: Principal, instanceId: string): Promise<Drill[]>
  listAlarms(principal: Principal): Promise<Alarm[]>
  /** The instance that a command means: by its owner's address for those who administer, else the caller's own. */
  findInstanceId(principal: Principal, email: string | undefined): Promise<string>
}

export interface Drill {
  id: string
  backupId: string
  state: 'running' | 'passed' | 'failed'
  message: string | null
  startedAt: string
  finishedAt: string | null
}

export interface Alarm {
  id: string
  kind: string
  instanceId: string | null
  message: string
  raisedAt: string
  seenAt: string
}

export interface BackupServiceDeps {
  database: Database
  taker: BackupTaker
  /** Starts an instance that does not run, as its owner would. */
  start(principal: Principal, instanceId: string): Promise<unknown>
  kick(): void
  /** Whether drills are run at all. */
  drills: boolean
}

const listMax = 200
/** Of restores and drills: what is older interests nobody any more. */
const eventsMax = 50

export function createBackupService(deps: BackupServiceDeps): BackupService {
  const { database } = deps

  const inInstance = <T>(
    principal: Principal,
    instanceId: string,
    work: (trx: Trx, instance: { desired_state: string; status: string }) => Promise<T>,
  ): Promise<T> =>
    database.inTenant(principal.organizationId, async (trx) => {
      const instance = isId(instanceId)
        ? await trx
            .selectFrom('instances')
            .selectAll()
            .where('id', '=', instanceId)
            .where('status', '<>', 'deleted')
            .executeTakeFirst()
        : undefined
      if (!instance || !maySee(principal, instance)) throw notFound()
      return work(trx, instance)
    })

  const choose = (principal: Principal, wish: RestoreWish): Promise<BackupRow> =>
    inInstance(principal, wish.instanceId, (trx) => chooseBackup(trx, wish))

  return {
    list: (principal, instanceId) =>
      inInstance(principal, instanceId, async (trx) => {
        const rows = await trx
          .selectFrom('backups')
          .selectAll()
          .where('instance_id', '=', instanceId)
          .where('state', '<>', 'deleted')
          .where((where) => where.or([where('kind', '=', 'full'), where('state', '=', 'complete')]))
          .orderBy('requested_at', 'desc')
          .limit(listMax)
          .execute()
        return rows.map(toBackup)
      }),

    listOwn: (principal) =>
      database.inTenant(principal.organizationId, async (trx) => {
        const rows = await trx
          .selectFrom('backups')
          .selectAll()
          .where('user_id', '=', principal.userId)
          .where('state', '=', 'complete')
          .orderBy('completed_at', 'desc')
          .limit(listMax)
          .execute()
        return rows.map(toBackup)
      }),

    get: async (principal, backupId) => {
      const row = await findOne(database, principal, 'backups', backupId)
      return inInstance(principal, row?.instance_id ?? '', async (trx) =>
        toBackup(
          await trx.selectFrom('backups').selectAll().where('id', '=', backupId).executeTakeFirstOrThrow(),
        ),
      )
    },

    backUp: async (principal, instanceId) => {
      await inInstance(principal, instanceId, async () => undefined)
      const backup = await deps.taker.request(instanceId, 'on_demand')
      deps.kick()
      return toBackup(backup)
    },

    preview: async (principal, wish) => {
      const backup = await choose(principal, wish)
      return inInstance(principal, wish.instanceId, (trx) => previewOf(trx, wish.instanceId, backup))
    },

    restore: async (principal, wish) => {
      const backup = await choose(principal, wish)
      const id = newId()
      await inInstance(principal, wish.instanceId, async (trx, instance) => {
        if (instance.status === 'deleting')
          throw conflict(
            'action_not_possible',
            'The instance is being deleted: nothing can be restored into it.',
          )
        const open = await trx
          .selectFrom('restores')
          .select('id')
          .where('instance_id', '=', wish.instanceId)
          .where('state', 'in', ['securing', 'ordered'])
          .executeTakeFirst()
        if (open) throw conflict('restore_underway', 'Another restore is under way. Wait until it is done.')
        await trx
          .insertInto('restores')
          .values({
            id,
            organization_id: principal.organizationId,
            instance_id: wish.instanceId,
            backup_id: backup.id,
            requested_by: principal.userId,
            kind: 'requested',
            state: 'securing',
          })
          .execute()
      })
      // One that sleeps or was stopped; to one that runs it does nothing. The restore is there first, so that a machine
      // without state takes this backup and not the newest.
      await deps.start(principal, wish.instanceId).catch(async (error: unknown) => {
        await withdraw(database, id)
        throw error
      })
      deps.kick()
      return findRestore(database, principal, id)
    },

    getRestore: async (principal, restoreId) => {
      const restore = await findRestore(database, principal, restoreId)
      return inInstance(principal, restore.instanceId, async () => restore)
    },

    listRestores: (principal, instanceId) =>
      inInstance(principal, instanceId, async (trx) => {
        const rows = await trx
          .selectFrom('restores')
          .selectAll()
          .where('instance_id', '=', instanceId)
          .orderBy('requested_at', 'desc')
          .limit(eventsMax)
          .execute()
        return rows.map(toRestore)
      }),

    drill: async (principal, instanceId) => {
      const organizationId = await inInstance(principal, instanceId, async (trx) => {
        if (!deps.drills)
          throw conflict('drills_off', 'Trial restores are switched off here (REEF_BACKUP_DRILL_DAYS=0).')
        if (!(await findNewest(trx, instanceId)))
          throw conflict('backup_missing', 'There is no backup of this instance yet. Take one first.')
        return principal.organizationId
      })
      await database.asSystem((trx) => demandDrill(trx, instanceId, organizationId))
      deps.kick()
    },

    listDrills: (principal, instanceId) =>
      inInstance(principal, instanceId, async (trx) => {
        const rows = await trx
          .selectFrom('backup_drills')
          .selectAll()
          .where('instance_id', '=', instanceId)
          .orderBy('started_at', 'desc')
          .limit(eventsMax)
          .execute()
        return rows.map((row) => ({
          id: row.id,
          backupId: row.backup_id,
          state: row.state,
          message: row.message,
          startedAt: row.started_at.toISOString(),
          finishedAt: row.finished_at?.toISOString() ?? null,
        }))
      }),

    listAlarms: (principal) => listAlarms(database, principal),

    findInstanceId: (principal, email) =>
      database.inTenant(principal.organizationId, async (trx) => {
        const row = await trx
          .selectFrom('instances')
          .innerJoin('members', 'members.user_id', 'instances.owner_user_id')
          .select(['instances.id', 'instances.owner_user_id'])
          .where('instances.desired_state', '<>', 'deleted')
          .$if(email === undefined, (query) => query.where('instances.owner_user_id', '=', principal.userId))
          .$if(email !== undefined, (query) => query.where('members.email', '=', email as string))
          .executeTakeFirst()
        if (!row || !maySee(principal, row)) throw notFound('no live instance')
        return row.id
      }),
  }
}

function withdraw(database: Database, id: string): Promise<unknown> {
  return database.asSystem((trx) =>
    trx
      .updateTable('restores')
      .set({ state: 'failed', message: 'Nothing was changed: the instance could not be started.' })
      .where('id', '=', id)
      .execute(),
  )
}

async function findOne(database: Database, principal: Principal, table: 'backups' | 'restores', id: string) {
  if (!isId(id)) return undefined
  return database.inTenant(principal.organizationId, (trx) =>
    trx.selectFrom(table).select(['id', 'instance_id']).where('id', '=', id).executeTakeFirst(),
  )
}

async function findRestore(database: Database, principal: Principal, id: string): Promise<Restore> {
  const row = isId(id)
    ? await database.inTenant(principal.organizationId, (trx) =>
        trx.selectFrom('restores').selectAll().where('id', '=', id).executeTakeFirst(),
      )
    : undefined
  if (!row) throw notFound()
  return toRestore(row)
}

/** Of the organization those who administer it; of the whole Reef everybody, since all their backups are concerned. */
async function listAlarms(database: Database, principal: Principal): Promise<Alarm[]> {
  const own = await database.inTenant(principal.organizationId, (trx) =>
    trx
      .selectFrom('backup_alarms')
      .innerJoin('instances', 'instances.id', 'backup_alarms.instance_id')
      .selectAll('backup_alarms')
      .select('instances.owner_user_id')
      .where('backup_alarms.cleared_at', 'is', null)
      .execute(),
  )
  const shared = await database.asSystem((trx) =>
    trx
      .selectFrom('backup_alarms')
      .selectAll()
      .where('organization_id', 'is', null)
      .where('cleared_at', 'is', null)
      .execute(),
  )
  return [...own.filter((alarm) => maySee(principal, alarm)), ...shared].map((alarm) => ({
    id: alarm.id,
    kind: alarm.kind,
    instanceId: alarm.instance_id,
    message: alarm.message,
    raisedAt: alarm.raised_at.toISOString(),
    seenAt: alarm.seen_at.toISOString(),
  }))
}
