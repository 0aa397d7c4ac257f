import { sql } from 'kysely'
import type { Database } from '../../db/database.ts'
import type { AlarmKind } from '../../db/tables/backups.ts'
import { newId } from '../../ids.ts'
import { databaseNow } from './rows.ts'

/** What an operator or an owner should know until it is well again: one open alarm for each kind and instance. */
export interface Alarms {
  raise(alarm: {
    kind: AlarmKind
    organizationId: string | null
    instanceId: string | null
    message: string
  }): Promise<void>
  clear(kind: AlarmKind, instanceId: string | null): Promise<void>
}

/** For the operator, at start: what is wrong with the whole Reef, and how many instances have alarms of their own. */
export async function noticesOfAlarms(database: Database): Promise<string[]> {
  const open = await database.asSystem((trx) =>
    trx
      .selectFrom('backup_alarms')
      .select(['instance_id', 'message'])
      .where('cleared_at', 'is', null)
      .execute(),
  )
  const count = open.filter((alarm) => alarm.instance_id !== null).length
  return [
    ...open.filter((alarm) => alarm.instance_id === null).map((alarm) => alarm.message),
    ...(count > 0 ? [`Backups: ${count} alarms of instances are open. See GET /api/backup-alarms.`] : []),
  ]
}

export function createAlarms(database: Database): Alarms {
  return {
    raise: async ({ kind, organizationId, instanceId, message }) => {
      await database.asSystem((trx) =>
        sql`insert into backup_alarms (id, kind, organization_id, instance_id, message)
          values (${newId()}, ${kind}, ${organizationId}, ${instanceId}, ${message.slice(0, 1_000)})
          on conflict (kind, coalesce(instance_id, '00000000-0000-0000-0000-000000000000'))
            where cleared_at is null
            do update set message = excluded.message, seen_at = clock_timestamp()`.execute(trx),
      )
    },
    clear: async (kind, instanceId) => {
      await database.asSystem((trx) =>
        trx
          .updateTable('backup_alarms')
          .set({ cleared_at: databaseNow })
          .where('kind', '=', kind)
          .where('instance_id', instanceId === null ? 'is' : '=', instanceId)
          .where('cleared_at', 'is', null)
          .execute(),
      )
    },
  }
}
