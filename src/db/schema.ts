import type { ColumnType, Generated } from 'kysely'
import type {
  BackupAlarmsTable,
  BackupDrillsTable,
  BackupKeysTable,
  BackupSchedulesTable,
  BackupsTable,
  RestoresTable,
} from './tables/backups.ts'
import type {
  AlertDeliveriesTable,
  AlertDismissalsTable,
  AlertsTable,
  AlertWebhooksTable,
  BudgetCountersTable,
  BudgetEntriesTable,
  BudgetsTable,
} from './tables/budgets.ts'
import type {
  LedgerAnchoredHeadsTable,
  LedgerAnchorsTable,
  LedgerBooksTable,
  LedgerReservationsTable,
  LedgerSystemAccountsTable,
  LedgerTransfersTable,
} from './tables/credits.ts'
import type { DomainsTable } from './tables/domains.ts'
import type {
  EgressDeniedTable,
  EgressRulesTable,
  EgressSettingsTable,
  EgressTrafficTable,
} from './tables/egress.ts'
import type { HostsTable } from './tables/hosts.ts'
import type { InstanceIdleColumns, SlotIdleColumns } from './tables/idle.ts'
import type { OperatorsTable } from './tables/operators.ts'
import type {
  AutoTopUpsTable,
  PaymentCustomersTable,
  PaymentDisputesTable,
  PaymentReconciliationsTable,
  PaymentRefundsTable,
  PaymentsTable,
  StripeEventsTable,
} from './tables/payments.ts'
import type { SecretEventsTable, SecretsTable } from './tables/secrets.ts'
import type { EmailVerificationsTable, TrialsTable } from './tables/trials.ts'
import type {
  ModelCallCostColumns,
  PriceListsTable,
  RuntimeMetersTable,
  RuntimeUsageTable,
  RuntimeWindowsTable,
  SlotServedColumns,
} from './tables/usage.ts'

/** The tables as the application sees them, column for column what `migrations/*.sql` create. */
export interface Tables {
  users: UsersTable
  user_credentials: UserCredentialsTable
  user_verifications: UserVerificationsTable
  token_families: TokenFamiliesTable
  refresh_tokens: RefreshTokensTable
  rate_limits: RateLimitsTable
  organizations: OrganizationsTable
  members: MembersTable
  invitations: InvitationsTable
  api_keys: ApiKeysTable
  nodes: NodesTable
  instances: InstancesTable
  slots: SlotsTable
  sessions: SessionsTable
  instance_samples: InstanceSamplesTable
  model_calls: ModelCallsTable
  visit_tickets: VisitTicketsTable
  secrets: SecretsTable
  secret_events: SecretEventsTable
  domains: DomainsTable
  egress_settings: EgressSettingsTable
  egress_rules: EgressRulesTable
  egress_denied: EgressDeniedTable
  egress_traffic: EgressTrafficTable
  backup_keys: BackupKeysTable
  backups: BackupsTable
  restores: RestoresTable
  backup_schedules: BackupSchedulesTable
  backup_drills: BackupDrillsTable
  backup_alarms: BackupAlarmsTable
  operators: OperatorsTable
  hosts: HostsTable
  ledger_books: LedgerBooksTable
  ledger_transfers: LedgerTransfersTable
  ledger_reservations: LedgerReservationsTable
  ledger_anchors: LedgerAnchorsTable
  ledger_anchored_heads: LedgerAnchoredHeadsTable
  ledger_system_accounts: LedgerSystemAccountsTable
  price_lists: PriceListsTable
  runtime_meters: RuntimeMetersTable
  runtime_usage: RuntimeUsageTable
  payment_customers: PaymentCustomersTable
  payments: PaymentsTable
  payment_refunds: PaymentRefundsTable
  payment_disputes: PaymentDisputesTable
  stripe_events: StripeEventsTable
  auto_top_ups: AutoTopUpsTable
  payment_reconciliations: PaymentReconciliationsTable
  runtime_windows: RuntimeWindowsTable
  budgets: BudgetsTable
  budget_counters: BudgetCountersTable
  budget_entries: BudgetEntriesTable
  alerts: AlertsTable
  alert_dismissals: AlertDismissalsTable
  alert_webhooks: AlertWebhooksTable
  alert_deliveries: AlertDeliveriesTable
  email_verifications: EmailVerificationsTable
  trials: TrialsTable
}

type CreatedAt = ColumnType<Date, Date | undefined, never>
/** `bigint` columns are read as numbers: nothing stored here comes near 2^53. See `database.ts`. */
type BigInt = number

export type MemberRole = 'owner' | 'admin' | 'member'

interface UsersTable {
  id: string
  email: string
  email_verified: Generated<boolean>
  name: string
  image: string | null
  created_at: CreatedAt
  updated_at: Generated<Date>
}

interface UserCredentialsTable {
  id: string
  user_id: string
  account_id: string
  provider_id: string
  password: string | null
  access_token: string | null
  refresh_token: string | null
  id_token: string | null
  access_token_expires_at: Date | null
  refresh_token_expires_at: Date | null
  scope: string | null
  created_at: CreatedAt
  updated_at: Generated<Date>
}

interface UserVerificationsTable {
  id: string
  identifier: string
  value: string
  expires_at: Date
  created_at: CreatedAt
  updated_at: Generated<Date>
}

interface TokenFamiliesTable {
  id: string
  user_id: string
  created_at: CreatedAt
  expires_at: Date
  revoked_at: Date | null
  revoke_reason: 'log_out' | 'reuse' | null
}

interface RefreshTokensTable {
  id: string
  family_id: string
  user_id: string
  token_hash: Buffer
  created_at: CreatedAt
  expires_at: Date
  used_at: Date | null
  attempt_salt: Buffer | null
}

interface RateLimitsTable {
  key: string
  points: number
  expire: BigInt | null
}

interface OrganizationsTable {
  id: string
  name: string
  slug: string
  personal_user_id: string | null
  created_at: CreatedAt
  updated_at: Generated<Date>
}

interface MembersTable {
  organization_id: string
  user_id: string
  role: MemberRole
  name: string
  email: string
  created_at: CreatedAt
}

interface InvitationsTable {
  id: string
  organization_id: string
  email: string
  role: MemberRole
  token_hash: Buffer
  invited_by: string
  created_at: CreatedAt
  expires_at: Date
  accepted_at: Date | null
  revoked_at: Date | null
}

interface ApiKeysTable {
  id: string
  organization_id: string
  user_id: string
  name: string
  key_hash: Buffer
  key_hint: string
  scopes: string[]
  created_at: CreatedAt
  expires_at: Date | null
  last_used_at: Date | null
  revoked_at: Date | null
}

interface NodesTable {
  id: string
  internal_url: string
  spec_version: Generated<string>
  started_at: Generated<Date>
  heartbeat_at: Generated<Date>
}

export type DesiredState = 'running' | 'suspended' | 'stopped' | 'deleted'
export type InstanceStatus =
  | 'provisioning'
  | 'running'
  | 'suspended'
  | 'stopping'
  | 'stopped'
  | 'failed'
  | 'deleting'
  | 'deleted'

/** One step of a launch; times are ISO 8601 in UTC. */
export interface LaunchStep {
  name: 'requested' | 'credits_checked' | 'slot_claimed' | 'machine_started' | 'openclaw_ready' | 'running'
  startedAt: string
  finishedAt: string | null
}

/** Times are ISO 8601 in UTC. */
export interface LastUpgrade {
  from: string
  to: string
  startedAt: string
  finishedAt: string | null
  outcome: 'under_way' | 'succeeded' | 'rolled_back'
  /** Why it was rolled back. */
  message: string | null
}

interface InstancesTable extends InstanceIdleColumns {
  /** Why it may not run though its owner wants it to. */
  credit_hold: 'credits' | 'budget' | null
  /** What is said of it, where there is more to say than that. */
  credit_hold_message: string | null
  id: string
  organization_id: string
  owner_user_id: string
  name: string
  slug: string
  driver: string
  desired_state: DesiredState
  status: InstanceStatus
  reason_code: string | null
  reason_message: string | null
  /** Written as JSON text, read as values. */
  steps: ColumnType<LaunchStep[], string | undefined, string>
  restart_generation: Generated<number>
  upgrade_to: string | null
  /** Written as JSON text, read as values. */
  last_upgrade: ColumnType<LastUpgrade | null, string | null | undefined, string | null>
  version: Generated<number>
  next_reconcile_at: ColumnType<Date | null, Date | null | undefined, Date | null>
  running_since: Date | null
  created_at: CreatedAt
  updated_at: Generated<Date>
  deleted_at: Date | null
}

export type SlotState = 'initializing' | 'available' | 'assigned' | 'terminating' | 'removed'
export type SlotPhase = 'absent' | 'starting' | 'running' | 'suspended' | 'exited' | 'failed'
export type SlotWanted = 'running' | 'suspended' | 'stopped' | 'removed'

interface SlotsTable extends SlotIdleColumns, SlotServedColumns {
  id: string
  driver: string
  state: SlotState
  instance_id: string | null
  spec_version: string
  /** Written as JSON text, read as values. */
  handle: ColumnType<unknown, string | null | undefined, string | null>
  address: string | null
  phase: Generated<SlotPhase>
  pending_reason: string | null
  failure_code: string | null
  failure_message: string | null
  wanted: Generated<SlotWanted>
  restart_generation: Generated<number>
  bootstrap_hash: Buffer | null
  bootstrap_expires_at: Date | null
  bootstrap_serial: Generated<number>
  link_credential_hash: Buffer | null
  link_node_id: string | null
  link_connected_at: Date | null
  heartbeat_at: Date | null
  heartbeat_sequence: Generated<BigInt>
  ready: Generated<boolean>
  warm: Generated<boolean>
  openclaw_version: string | null
  supervisor_version: string | null
  applied_restart_generation: Generated<number>
  memory_bytes: BigInt | null
  cpu_percent: number | null
  next_reconcile_at: ColumnType<Date | null, Date | null | undefined, Date | null>
  lease_owner: string | null
  lease_until: Date | null
  /** Of a driver with several: where it lies. */
  host: string | null
  attempts: Generated<number>
  retry_at: Date | null
  started_at: Date | null
  observed_at: Date | null
  not_ready_since: Date | null
  waiting_since: Date | null
  made_of: string | null
  upgrade_from: string | null
  upgrade_until: Date | null
  refused_spec: string | null
  refused_reason: string | null
  created_at: CreatedAt
  updated_at: Generated<Date>
  available_at: Date | null
  assigned_at: Date | null
}

interface SessionsTable {
  id: string
  organization_id: string
  instance_id: string
  user_id: string
  opened_at: Generated<Date>
  closed_at: Date | null
  close_reason: string | null
}

interface InstanceSamplesTable {
  instance_id: string
  organization_id: string
  at: Date
  memory_bytes: BigInt
  cpu_percent: number
}

interface ModelCallsTable extends ModelCallCostColumns {
  id: string
  organization_id: string | null
  instance_id: string | null
  slot_id: string
  session_id: string | null
  provider: string
  model: string
  protocol: 'chat_completions' | 'responses' | 'messages'
  streamed: boolean
  outcome: 'pending' | 'succeeded' | 'failed' | 'cancelled'
  http_status: number | null
  error_code: string | null
  input_tokens: BigInt | null
  cached_input_tokens: BigInt | null
  cache_write_input_tokens: BigInt | null
  output_tokens: BigInt | null
  reasoning_tokens: BigInt | null
  started_at: Generated<Date>
  first_byte_at: Date | null
  finished_at: Date | null
}

interface VisitTicketsTable {
  ticket_hash: Buffer
  organization_id: string
  instance_id: string
  user_id: string
  family_id: string
  email: string
  created_at: CreatedAt
  expires_at: Date
}
