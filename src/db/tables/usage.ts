import type { ColumnType, Generated, GeneratedAlways } from 'kysely'
import type { PriceList } from '../../domain/credits/prices.ts'

export type RuntimeState = 'running' | 'suspended' | 'stored'

export interface PriceListsTable {
  version: GeneratedAlways<number>
  effective_from: ColumnType<Date, Date, never>
  prices: ColumnType<PriceList, string, never>
  created_by: ColumnType<string | null, string | null, never>
  created_at: Generated<Date>
}

/** What the meter adds to `model_calls`. */
export interface ModelCallCostColumns {
  user_id: string | null
  agent_id: string | null
  task_id: string | null
  price_version: number | null
  reserved: number | null
  cost: number | null
  estimated: Generated<boolean>
}

export interface RuntimeMetersTable {
  instance_id: string
  organization_id: string
  state: RuntimeState | null
  metered_until: Date
  running_ms: Generated<number>
  suspended_ms: Generated<number>
  stored_ms: Generated<number>
  served_ms: Generated<number>
  supervisor_run: string | null
  unproven_ms: Generated<number>
  unheard_ms: Generated<number>
  reported_at: Generated<Date>
  charged_until: Generated<Date>
  budget_until: Generated<Date | null>
  updated_at: Generated<Date>
}

export interface RuntimeWindowsTable {
  organization_id: string
  reservation_id: string
  sequence: Generated<number>
  charge_at: Date | null
  covered_until: Date | null
  hold_inflow: number | null
  updated_at: Generated<Date>
}

/** What the runtime meter adds to `slots`. */
export interface SlotServedColumns {
  served_ms: Generated<number>
  served_run: string | null
  served_at: Date | null
}

export interface RuntimeUsageTable {
  id: string
  organization_id: string
  instance_id: string
  session_id: string | null
  user_id: string
  agent_id: string | null
  task_id: string | null
  plan: string
  state: RuntimeState
  window_start: Date
  window_end: Date
  milliseconds: number
  price_version: number
  cost: number
}
