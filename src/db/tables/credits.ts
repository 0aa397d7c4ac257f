import type { ColumnType, Generated } from 'kysely'

/** An organization's accounts in the ledger. The first three say where credits come from, the others where they are. */
export type LedgerAccount =
  | 'granted'
  | 'purchased'
  | 'written_off'
  | 'available'
  | 'reserved'
  | 'spent'
  | 'frozen'
  | 'refunded'

export type LedgerOperation =
  | 'grant'
  | 'purchase'
  | 'refund'
  | 'freeze'
  | 'unfreeze'
  | 'forfeit'
  | 'reserve'
  | 'settle'
  | 'expire'

export type ReservationPurpose = 'model_call' | 'runtime'

export type LedgerBooksTable = { [account in LedgerAccount]: Generated<number> } & {
  organization_id: string
  head_sequence: Generated<number>
  head_hash: Generated<Buffer>
  updated_at: Generated<Date>
}

type AppendOnly<T> = ColumnType<T, T, never>

export interface LedgerTransfersTable {
  organization_id: AppendOnly<string>
  sequence: AppendOnly<number>
  at: AppendOnly<Date>
  key: AppendOnly<string>
  leg: AppendOnly<number>
  request_hash: AppendOnly<Buffer>
  operation: AppendOnly<LedgerOperation>
  debit: AppendOnly<LedgerAccount>
  credit: AppendOnly<LedgerAccount>
  amount: AppendOnly<number>
  reservation_id: AppendOnly<string | null>
  reference: AppendOnly<string | null>
  note: AppendOnly<string | null>
  actor_user_id: AppendOnly<string | null>
  hash: AppendOnly<Buffer>
}

export interface LedgerReservationsTable {
  id: string
  organization_id: string
  purpose: ReservationPurpose
  held: number
  settled: Generated<number>
  expires_at: Date
  created_at: Generated<Date>
  closed_at: Date | null
}

export interface LedgerAnchorsTable {
  number: AppendOnly<number>
  sha256: AppendOnly<Buffer>
  content: string | null
  created_at: Generated<Date>
}

export interface LedgerAnchoredHeadsTable {
  organization_id: string
  sequence: number
}

/** A view. */
export interface LedgerSystemAccountsTable {
  account: LedgerAccount
  balance: number
  /** Whether it says where credits came from, and not where they are. */
  source: boolean
}
