import { sql } from 'kysely'

/** For queries on `slots`: the restore or drill that the slot has to carry out now. */
export const openRestoreOf = sql<string | null>`coalesce(
  (select restores.id from restores where restores.slot_id = slots.id and restores.state = 'ordered'),
  (select backup_drills.id from backup_drills where backup_drills.slot_id = slots.id
    and backup_drills.state = 'running'))`.as('restore_id')

/** For queries on `slots`. */
export const hasOpenRestore = sql<boolean>`(exists (
  select from restores where restores.slot_id = slots.id and restores.state = 'ordered')
  or exists (select from backup_drills where backup_drills.slot_id = slots.id
    and backup_drills.state = 'running'))`

/** For statements on `slots`. A drill's slot serves nobody, but nobody waits for it either. */
export const hasNoOpenRestore = sql<boolean>`not ${hasOpenRestore}`
