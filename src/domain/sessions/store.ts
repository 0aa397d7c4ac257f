import type { Selectable } from 'kysely'
import type { Trx } from '../../db/database.ts'
import type { Tables } from '../../db/schema.ts'
import { newId } from '../../ids.ts'

export type SessionRow = Selectable<Tables['sessions']>

export type CloseReason = 'stopped' | 'deleted' | 'failed' | 'suspended'

/** Opens the instance's session unless it has an open one; the unique index decides between two that try. */
export async function openSession(
  trx: Trx,
  instance: { id: string; organization_id: string; owner_user_id: string },
): Promise<void> {
  await trx
    .insertInto('sessions')
    .values({
      id: newId(),
      organization_id: instance.organization_id,
      instance_id: instance.id,
      user_id: instance.owner_user_id,
      closed_at: null,
      close_reason: null,
    })
    .onConflict((conflict) => conflict.column('instance_id').where('closed_at', 'is', null).doNothing())
    .execute()
}

export async function closeSession(
  trx: Trx,
  instanceId: string,
  reason: CloseReason,
  now: Date,
): Promise<void> {
  await trx
    .updateTable('sessions')
    .set({ closed_at: now, close_reason: reason })
    .where('instance_id', '=', instanceId)
    .where('closed_at', 'is', null)
    .execute()
}
