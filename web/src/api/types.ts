import type { z } from 'zod'
import type * as accounts from '../../../src/http/schemas/accounts.ts'
import type * as admin from '../../../src/http/schemas/admin.ts'
import type * as alerts from '../../../src/http/schemas/alerts.ts'
import type * as backups from '../../../src/http/schemas/backups.ts'
import type * as budgets from '../../../src/http/schemas/budgets.ts'
import type * as credits from '../../../src/http/schemas/credits.ts'
import type * as domains from '../../../src/http/schemas/domains.ts'
import type * as egress from '../../../src/http/schemas/egress.ts'
import type * as instances from '../../../src/http/schemas/instances.ts'
import type * as payments from '../../../src/http/schemas/payments.ts'
import type * as prices from '../../../src/http/schemas/prices.ts'
import type * as secrets from '../../../src/http/schemas/secrets.ts'
import type * as usage from '../../../src/http/schemas/usage.ts'

export type {
  Conversation,
  ConversationMessage,
  ToolCall,
  TurnEvent,
} from '../../../supervisor/conversations.ts'

// The server's own schemas say what its answers look like. Types only: zod itself stays out of the bundle.
export type User = z.infer<typeof accounts.userSchema>
export type Tokens = z.infer<typeof accounts.tokensSchema>
export type Role = z.infer<typeof accounts.roleSchema>
export type Scope = z.infer<typeof accounts.scopeSchema>
export type Organization = z.infer<typeof accounts.organizationSchema>
export type Member = z.infer<typeof accounts.memberSchema>
export type Invitation = z.infer<typeof accounts.invitationSchema>
export type NewInvitation = z.infer<typeof accounts.newInvitationSchema>
export type ApiKey = z.infer<typeof accounts.apiKeySchema>
export type NewApiKey = z.infer<typeof accounts.newApiKeySchema>
export type CreateApiKey = z.input<typeof accounts.createApiKeyBodySchema>
export type Instance = z.infer<typeof instances.instanceSchema>
export type InstanceStatus = z.infer<typeof instances.instanceStatusSchema>
export type Session = z.infer<typeof instances.sessionSchema>
export type Me = z.infer<typeof instances.meSchema>
export type Info = z.infer<typeof instances.infoSchema>
export type LogLine = z.infer<typeof instances.logLineSchema>
export type Sample = z.infer<typeof instances.sampleSchema>
export type Overview = z.infer<typeof admin.overviewSchema>
export type Host = z.infer<typeof admin.hostSchema>
export type Operator = z.infer<typeof admin.operatorSchema>
export type Sleep = NonNullable<Instance['sleep']>
export type Upgrade = NonNullable<Instance['upgrade']>
export type Backup = z.infer<typeof backups.backupSchema>
export type BackupDrill = z.infer<typeof backups.drillSchema>
export type BackupAlarm = z.infer<typeof backups.alarmSchema>
export type Restore = z.infer<typeof backups.restoreSchema>
export type RestorePreview = z.infer<typeof backups.restorePreviewSchema>
export type Secret = z.infer<typeof secrets.secretSchema>
export type SecretEvent = z.infer<typeof secrets.secretEventSchema>
export type SecretScope = Secret['scope']
export type Egress = z.infer<typeof egress.egressSchema>
export type EgressRule = Egress['rules'][number]
export type EgressPreset = z.infer<typeof egress.presetSchema>
export type EgressDenied = z.infer<typeof egress.deniedDomainSchema>
export type Domain = z.infer<typeof domains.domainSchema>
export type Credits = z.infer<typeof credits.creditsSchema>
export type LedgerEntry = z.infer<typeof credits.entrySchema>
export type LedgerEntries = z.infer<typeof credits.entriesSchema>
export type Grant = z.infer<typeof credits.grantSchema>
export type LedgerReport = z.infer<typeof credits.ledgerReportSchema>
export type Alert = z.infer<typeof alerts.alertSchema>
export type AlertWebhook = z.infer<typeof alerts.alertWebhookSchema>
export type Budget = z.infer<typeof budgets.budgetSchema>
export type NewBudget = z.input<typeof budgets.newBudgetBodySchema>
export type Payments = z.infer<typeof payments.paymentsSchema>
export type Payment = z.infer<typeof payments.paymentSchema>
export type AdminPayments = z.infer<typeof payments.adminPaymentsSchema>
export type AdminPayment = AdminPayments['payments'][number]
export type Reconciliations = z.infer<typeof payments.reconciliationsSchema>
export type ReconciliationRun = Reconciliations['reconciliations'][number]
export type Reconciliation = NonNullable<ReconciliationRun['report']>
export type CreditPack = Payments['packs'][number]
export type AutoTopUp = NonNullable<Payments['autoTopUp']>
export type PriceList = z.infer<typeof prices.priceListSchema>
export type CurrentPrices = z.infer<typeof prices.currentPricesSchema>
export type PriceVersions = z.infer<typeof prices.priceVersionsSchema>
export type Usage = z.infer<typeof usage.usageSchema>
export type UsageRow = z.infer<typeof usage.usageRowSchema>
export type UsageGrouping = Usage['by'][number]
