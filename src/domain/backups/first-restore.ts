import type { Trx } from '../../db/database.ts'
import { newId } from '../../ids.ts'
import { databaseNow, findNewest } from './rows.ts'

/**
 * An instance takes a machine without state: what was saved of it, if anything was, comes back before anyone sees the
 * machine. Runs in the transaction that assigns the slot, under the instance's row lock.
 */
export async function restoreIntoNewSlot(
  trx: Trx,
  instance: { id: string; organization_id: string },
  slotId: string,
): Promise<void> {
  // A restore that was under way when the machine before was lost goes on here; there is nothing left to secure.
  const open = await trx
    .updateTable('restores')
    .set({ slot_id: slotId, state: 'ordered' })
    .where('instance_id', '=', instance.id)
    .where('state', 'in', ['securing', 'ordered'])
    .returning('id')
    .executeTakeFirst()
  if (!open) {
    const newest = await findNewest(trx, instance.id)
    if (!newest) return
    await trx
      .insertInto('restores')
      .values({
        id: newId(),
        organization_id: instance.organization_id,
        instance_id: instance.id,
        backup_id: newest.id,
        kind: 'first',
        state: 'ordered',
        slot_id: slotId,
      })
      .execute()
  }
  await trx
    .updateTable('slots')
    .set({ ready: false, updated_at: databaseNow })
    .where('id', '=', slotId)
    .execute()
}
