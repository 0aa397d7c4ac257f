import type { ColumnType, Generated } from 'kysely'

export type BudgetScope = 'organization' | 'member' | 'instance' | 'agent'
export type BudgetPeriod = 'day' | 'month'

export interface BudgetsTable {
  id: string
  organization_id: string
  scope: BudgetScope
  subject_id: string | null
  period: BudgetPeriod
  limit_amount: number
  created_by: string | null
  created_at: Generated<Date>
  updated_at: Generated<Date>
}

export interface BudgetCountersTable {
  budget_id: string
  organization_id: string
  period_start: Date
  spent: Generated<number>
  reserved: Generated<number>
  alerted: Generated<number>
}

export interface BudgetEntriesTable {
  organization_id: string
  key: string
  budget_id: string
  period_start: Date
  held: number
  spent: number | null
  at: Generated<Date>
}

export type AlertKind =
  | 'balance_low'
  | 'credits_exhausted'
  | 'budget_threshold'
  | 'top_up_failed'
  | 'ledger_damaged'
  | 'dispute_opened'
  | 'dispute_closed'
  | 'test'
export type AlertSeverity = 'info' | 'warning' | 'critical'
export type AlertDetails = Record<string, string | number | null>

export interface AlertsTable {
  id: string
  organization_id: string | null
  kind: AlertKind
  severity: AlertSeverity
  title: string
  message: string
  /** Written as JSON text, read as values. */
  details: ColumnType<AlertDetails, string | undefined, never>
  key: string | null
  user_id: string | null
  created_at: Generated<Date>
  cleared_at: Date | null
}

export interface AlertDismissalsTable {
  alert_id: string
  user_id: string
  organization_id: string | null
  at: Generated<Date>
}

export interface AlertWebhooksTable {
  organization_id: string
  url: string
  /** Another one is another key; the key itself is not stored. */
  secret_id: string
  updated_by: string | null
  updated_at: Generated<Date>
}

export interface AlertDeliveriesTable {
  id: string
  alert_id: string
  organization_id: string | null
  channel: 'email' | 'webhook'
  recipient: string | null
  attempts: Generated<number>
  next_attempt_at: ColumnType<Date | null, Date | null | undefined, Date | null>
  delivered_at: Date | null
  failure: string | null
  created_at: Generated<Date>
}
