import type { Trx } from '../../db/database.ts'
import { notify } from '../../db/notify.ts'
import type { LastUpgrade } from '../../db/schema.ts'
import type { InstanceRow } from './lifecycle.ts'
import { databaseNow, type LoadedSlot, updateInstance, updateSlot } from './store.ts'
import { beginUpgrade, type UpgradePatience } from './upgrade.ts'

/**
 * Brings an upgrade that an owner asked for one step further, under the locks of the instance and its slot: begins it,
 * or writes down how it ended. Answers whether the slot's worker now has something to do.
 */
export async function stepUpgrade(
  trx: Trx,
  instance: InstanceRow & { now: Date },
  slot: LoadedSlot | null,
  patience: UpgradePatience,
): Promise<boolean> {
  const to = instance.upgrade_to
  if (to === null || slot?.upgrade_from) return false
  // A new slot is of the newest software anyway.
  if (slot === null || slot.spec_version === to) {
    await finish(trx, instance, 'succeeded', null)
    return false
  }
  if (slot.refused_spec === to) {
    await finish(trx, instance, 'rolled_back', slot.refused_reason)
    // So that asking again tries again.
    await updateSlot(trx, slot.id, { refused_spec: null, refused_reason: null })
    return false
  }
  if (slot.wanted !== 'running') return false
  await updateSlot(trx, slot.id, beginUpgrade(slot, to, slot.now, patience), {
    next_reconcile_at: databaseNow,
  })
  await notify(trx, 'slot_changed', slot.id)
  await writeUpgrade(trx, instance, {
    from: slot.spec_version,
    to,
    startedAt: instance.now.toISOString(),
    finishedAt: null,
    outcome: 'under_way',
    message: null,
  })
  return true
}

async function finish(
  trx: Trx,
  instance: InstanceRow & { now: Date },
  outcome: LastUpgrade['outcome'],
  message: string | null,
): Promise<void> {
  await updateInstance(trx, instance.id, { upgrade_to: null })
  instance.upgrade_to = null
  if (instance.last_upgrade)
    await writeUpgrade(trx, instance, {
      ...instance.last_upgrade,
      finishedAt: instance.now.toISOString(),
      outcome,
      message,
    })
}

async function writeUpgrade(trx: Trx, instance: InstanceRow, upgrade: LastUpgrade): Promise<void> {
  instance.last_upgrade = upgrade
  await trx
    .updateTable('instances')
    .set({ last_upgrade: JSON.stringify(upgrade) })
    .where('id', '=', instance.id)
    .execute()
}
