import type { Database } from '../../src/db/database.ts'
import { newId } from '../../src/ids.ts'

const minutesAgo = (minutes: number): Date => new Date(Date.now() - minutes * 60_000)

/** What only time or a real machine brings about, written as they would. */
export function instanceStates(database: Database, instanceId: string) {
  const owner = () =>
    database.asSystem((trx) =>
      trx.selectFrom('instances').selectAll().where('id', '=', instanceId).executeTakeFirstOrThrow(),
    )

  return {
    /** Backups of the last days, drills of them, and something wrong. */
    async addBackups(): Promise<void> {
      const { organization_id, owner_user_id } = await owner()
      const shared = {
        organization_id,
        instance_id: instanceId,
        user_id: owner_user_id,
        state: 'complete' as const,
        openclaw_version: '2026.1.20',
        signed_manifest: '{}',
        local_key: 'local',
      }
      const rows = [
        { kind: 'full' as const, reason: 'scheduled' as const, minutes: 2_900, conversations: 3 },
        { kind: 'full' as const, reason: 'before_upgrade' as const, minutes: 1_460, conversations: 4 },
        { kind: 'checkpoint' as const, reason: 'checkpoint' as const, minutes: 12, conversations: 5 },
      ].map(({ minutes, conversations, ...row }) => ({
        ...shared,
        ...row,
        id: newId(),
        requested_at: minutesAgo(minutes),
        completed_at: minutesAgo(minutes),
        conversation_count: conversations,
        file_count: 120 + conversations,
        stored_bytes: row.kind === 'full' ? 4_300_000 : 82_000,
        content_bytes: 9_000_000 + minutes,
        remote_key: minutes > 100 ? 'remote' : null,
        verified_at: minutes > 2_000 ? minutesAgo(1_400) : null,
      }))
      await database.asSystem(async (trx) => {
        await trx.insertInto('backups').values(rows).execute()
        await trx
          .insertInto('backup_drills')
          .values({
            id: newId(),
            organization_id,
            instance_id: instanceId,
            backup_id: rows[0]?.id as string,
            slot_id: null,
            state: 'passed',
            message: '3 conversations and 123 files came back as they were.',
            started_at: minutesAgo(1_402),
            finished_at: minutesAgo(1_400),
          })
          .execute()
        await trx
          .insertInto('backup_alarms')
          .values({
            id: newId(),
            kind: 'remote_unavailable',
            organization_id: null,
            instance_id: null,
            message: 'The remote store of backups does not answer.',
            raised_at: minutesAgo(30),
            seen_at: minutesAgo(1),
            cleared_at: null,
          })
          .execute()
      })
    },

    /** As a gate reports it. */
    async addDenied(
      entries: { host: string; port: number; reason: string; attempts: number }[],
    ): Promise<void> {
      const { organization_id } = await owner()
      await database.asSystem((trx) =>
        trx
          .insertInto('egress_denied')
          .values(
            entries.map((entry) => ({
              ...entry,
              organization_id,
              instance_id: instanceId,
              at: minutesAgo(2),
            })),
          )
          .execute(),
      )
    },

    /** Its machine is of software that is older than what this Reef has. */
    async outdate(): Promise<void> {
      await database.asSystem((trx) =>
        trx
          .updateTable('slots')
          .set({
            spec_version: 'openclaw-2026.1.3 supervisor-0a1b2c3d',
            made_of: 'openclaw-2026.1.3 supervisor-0a1b2c3d',
          })
          .where('instance_id', '=', instanceId)
          .execute(),
      )
    },

    /** What its supervisor reports at the end of a restore. */
    async endRestore(state: 'succeeded' | 'failed', message: string | null): Promise<void> {
      await database.asSystem((trx) =>
        trx
          .updateTable('restores')
          .set({ state, message, finished_at: new Date() })
          .where('instance_id', '=', instanceId)
          .execute(),
      )
    },

    /** How an upgrade that new software did not survive ends. */
    async rollBack(): Promise<void> {
      const last_upgrade = JSON.stringify({
        from: 'openclaw-2026.1.3 supervisor-0a1b2c3d',
        to: 'openclaw-2026.1.20 supervisor-4e5f6a7b',
        startedAt: minutesAgo(9).toISOString(),
        finishedAt: minutesAgo(5).toISOString(),
        outcome: 'rolled_back',
        message: 'OpenClaw did not become ready within 3 minutes.',
      })
      await database.asSystem((trx) =>
        trx.updateTable('instances').set({ last_upgrade }).where('id', '=', instanceId).execute(),
      )
    },

    /** Deeper asleep than a person can send it at once. */
    async deepen(rung: 'frozen' | 'frozen_on_disk'): Promise<void> {
      const next_wake_at = new Date(Date.now() + 3 * 3_600_000)
      await database.asSystem(async (trx) => {
        await trx.updateTable('instances').set({ rung, next_wake_at }).where('id', '=', instanceId).execute()
        // As its machine would have said: the ladder goes by that, again and again.
        await trx.updateTable('slots').set({ next_wake_at }).where('instance_id', '=', instanceId).execute()
      })
    },
  }
}
