import type { Generated } from 'kysely'

export type Rung = 'active' | 'suspended' | 'frozen' | 'frozen_on_disk' | 'stopped' | 'archived' | 'deleted'

/** Where a suspended machine's memory is kept when it is not in RAM. */
export type FreezeTier = 'memory' | 'disk'

/** What the idle ladder adds to `instances`. */
export interface InstanceIdleColumns {
  plan: Generated<string>
  rung: Generated<Rung>
  rung_since: Generated<Date>
  last_active_at: Generated<Date>
  next_wake_at: Date | null
}

/** What the idle ladder adds to `slots`. */
export interface SlotIdleColumns {
  turns_in_flight: Generated<number>
  busy_at: Date | null
  active_at: Date | null
  next_wake_at: Date | null
  freeze_wanted: FreezeTier | null
  frozen: FreezeTier | null
  resumed_at: Date | null
  admitted_at: Date | null
  trimmed_at: Date | null
}
