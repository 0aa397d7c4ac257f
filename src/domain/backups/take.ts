import { sql } from 'kysely'
import type { Database, Trx } from '../../db/database.ts'
import type { BackupReason } from '../../db/tables/backups.ts'
import { conflict, ReefError, unavailable } from '../../errors.ts'
import type { Logger } from '../../telemetry/log.ts'
import type { Alarms } from './alarms.ts'
import type { BackupKeys } from './keys.ts'
import { isUsedSince } from './last-use.ts'
import { hasNoOpenRestore } from './open-restore.ts'
import { type BackupRow, databaseNow, findNewest, insertBackup } from './rows.ts'
import type { BackupStores } from './stores.ts'

/** The part of the link that backups need. */
export interface SlotCaller {
  call(slotId: string, method: string, params: unknown, options: { secondsMax: number }): Promise<unknown>
}

export interface BackupTaker {
  /**
   * Takes a full backup and resolves with it when it is complete; joins one that is under way. An instance whose machine
   * does not run changes nothing: then the newest backup is the answer, unless something was done in it since. Throws
   * when there is nothing to save or it could not be saved.
   */
  backUp(instanceId: string, reason: BackupReason): Promise<BackupRow>
  /** Enters a request and resolves at once; the worker of any control plane takes it on. */
  request(instanceId: string, reason: BackupReason): Promise<BackupRow>
  /** Takes on what is requested. Resolves when nothing is left that this control plane could take on. */
  runRequested(): Promise<void>
  /** Ends what no supervisor will complete any more. */
  endAbandoned(): Promise<void>
}

export interface BackupTakerDeps {
  database: Database
  stores: BackupStores
  keys: BackupKeys
  calls: SlotCaller
  alarms: Alarms
  log: Logger
  drainSeconds: number
}

/** Ten gigabytes take minutes; a supervisor that is still at it after this has hung. */
const backupSecondsMax = 3_600
const leaseSeconds = backupSecondsMax + 60
const checkpointSecondsMax = 900
const waitPollMs = 500
const attemptsMax = 3

export function createTaker(deps: BackupTakerDeps): BackupTaker {
  const { database } = deps
  const waiters = new Map<string, Promise<void>>()

  const find = (id: string) =>
    database.asSystem((trx) =>
      trx.selectFrom('backups').selectAll().where('id', '=', id).executeTakeFirstOrThrow(),
    )

  const request = async (instanceId: string, reason: BackupReason): Promise<BackupRow> => {
    const id = await database.asSystem(async (trx) => enterRequest(trx, instanceId, reason))
    return find(id)
  }

  const run = async (backup: BackupRow): Promise<void> => {
    try {
      await order(deps, backup)
    } catch (error) {
      await fail(deps, backup, error)
    }
  }

  const runRequested = async (): Promise<void> => {
    for (;;) {
      const backup = await database.asSystem(claimRequested)
      if (!backup) return
      const work = run(backup).finally(() => waiters.delete(backup.id))
      waiters.set(backup.id, work)
      void work
    }
  }

  return {
    request,
    runRequested,
    backUp: async (instanceId, reason) => {
      const requested = await request(instanceId, reason)
      if (requested.state === 'complete') return requested
      await runRequested()
      for (;;) {
        await waiters.get(requested.id)
        const backup = await find(requested.id)
        if (backup.state === 'complete') return backup
        if (backup.state === 'failed' || backup.state === 'deleted')
          throw new ReefError('upstream', {
            code: backup.failure_code ?? 'backup_failed',
            message: backup.failure_message ?? 'The backup failed. Try again.',
          })
        // Another control plane has taken it on.
        await new Promise((done) => setTimeout(done, waitPollMs))
      }
    },
    endAbandoned: async () => {
      const ended = await database.asSystem((trx) =>
        trx
          .updateTable('backups')
          .set({
            state: 'failed',
            failure_code: 'backup_abandoned',
            failure_message: 'The backup was begun and never finished. The next one is taken as usual.',
          })
          .where('state', '=', 'running')
          .where(
            sql<boolean>`coalesce(lease_until, started_at + make_interval(secs => ${checkpointSecondsMax})) < clock_timestamp()`,
          )
          .returning('id')
          .execute(),
      )
      for (const { id } of ended) await deps.stores.local.discard(id)
    },
  }
}

/** The id of the backup that answers the request: a new one, one under way, or the newest of a machine that stands still. */
async function enterRequest(trx: Trx, instanceId: string, reason: BackupReason): Promise<string> {
  const instance = await trx
    .selectFrom('instances')
    .selectAll()
    .where('id', '=', instanceId)
    .forNoKeyUpdate()
    .executeTakeFirstOrThrow()
  const underway = await trx
    .selectFrom('backups')
    .select('id')
    .where('instance_id', '=', instanceId)
    .where('kind', '=', 'full')
    .where('state', 'in', ['requested', 'running'])
    .executeTakeFirst()
  if (underway) return underway.id
  const slot = await findServingSlot(trx, instanceId)
  if (slot) return insertBackup(trx, instance, { kind: 'full', reason, state: 'requested' })
  const newest = await findNewest(trx, instanceId)
  if (!newest?.started_at)
    throw conflict(
      'instance_not_running',
      'The instance does not run and nothing of it was saved yet. Start it, then back it up.',
    )
  if (await isUsed(trx, instanceId, newest.started_at))
    throw conflict(
      'backup_outdated',
      'The instance does not run, and something was done in it after its newest backup. Start it, then back it up.',
    )
  return newest.id
}

async function isUsed(trx: Trx, instanceId: string, since: Date): Promise<boolean> {
  const { used } = await trx
    .selectFrom('instances')
    .select(isUsedSince(since).as('used'))
    .where('id', '=', instanceId)
    .executeTakeFirstOrThrow()
  return used
}

/** What still waits for a backup's state has none of its own to save. */
async function findServingSlot(trx: Trx, instanceId: string): Promise<string | undefined> {
  const slot = await trx
    .selectFrom('slots')
    .select('id')
    .where('instance_id', '=', instanceId)
    .where('phase', '=', 'running')
    .where('wanted', '=', 'running')
    .where('link_connected_at', 'is not', null)
    .where(hasNoOpenRestore)
    .executeTakeFirst()
  return slot?.id
}

async function claimRequested(trx: Trx): Promise<BackupRow | undefined> {
  const { rows } = await sql<BackupRow>`update backups set state = 'running', started_at = clock_timestamp(),
      attempts = attempts + 1, lease_until = clock_timestamp() + make_interval(secs => ${leaseSeconds}),
      slot_id = (select slots.id from slots where slots.instance_id = backups.instance_id)
    where id = (select id from backups where state = 'requested'
      and (lease_until is null or lease_until < clock_timestamp())
      order by requested_at limit 1 for update skip locked)
    returning *`.execute(trx)
  return rows[0]
}

async function order(deps: BackupTakerDeps, backup: BackupRow): Promise<void> {
  if (backup.slot_id === null)
    throw unavailable(
      'instance_not_running',
      'The instance does not run any more. Start it, then back it up.',
    )
  const recipient = await deps.keys.recipientOf(backup.user_id)
  await deps.calls.call(
    backup.slot_id,
    'backup',
    {
      backupId: backup.id,
      kind: backup.kind,
      recipient,
      baseBackupId: backup.base_backup_id,
      drainSeconds: deps.drainSeconds,
    },
    { secondsMax: backupSecondsMax },
  )
  await deps.alarms.clear('backup_failed', backup.instance_id)
}

/** One that may work the next time is tried again, after a pause that grows; the others are their owner's to know. */
async function fail(deps: BackupTakerDeps, backup: BackupRow, error: unknown): Promise<void> {
  const { database, log } = deps
  log.warn({ err: error, backupId: backup.id }, 'a backup failed')
  const again = backup.attempts < attemptsMax
  const known = error instanceof ReefError ? error : undefined
  const message =
    known?.message ?? 'The backup failed for a reason of Reef’s own. Try again, or look at its log.'
  // The draft of one attempt is of no use to the next.
  await deps.stores.local.discard(backup.id).catch(() => undefined)
  const failed = await database
    .asSystem((trx) =>
      trx
        .updateTable('backups')
        .set({
          state: again ? 'requested' : 'failed',
          lease_until: again
            ? sql<Date>`clock_timestamp() + make_interval(secs => ${5 * 4 ** backup.attempts})`
            : null,
          failure_code: known?.code ?? 'backup_failed',
          failure_message: message,
          ...(again ? {} : { completed_at: databaseNow }),
        })
        .where('id', '=', backup.id)
        // It may have been completed although the answer was lost.
        .where('state', '=', 'running')
        .returning('state')
        .executeTakeFirst(),
    )
    .catch(() => undefined)
  if (failed?.state === 'failed')
    await deps.alarms.raise({
      kind: 'backup_failed',
      organizationId: backup.organization_id,
      instanceId: backup.instance_id,
      message,
    })
}
