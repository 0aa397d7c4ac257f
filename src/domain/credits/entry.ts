import type { LedgerAccount, LedgerOperation } from '../../db/tables/credits.ts'

/** What an operation of the ledger is to people: a settlement that spent is `usage`, one that did not is a `release`. */
export const entryKinds = [
  'grant',
  'purchase',
  'refund',
  'freeze',
  'unfreeze',
  'forfeit',
  'usage',
  'hold',
  'release',
] as const

export type EntryKind = (typeof entryKinds)[number]

/** One line of a statement, in micro-credits. */
export interface Entry {
  /** Its place in the organization's chain of transfers. */
  sequence: number
  at: Date
  kind: EntryKind
  /** By how much it changed what the organization has, available and reserved together. */
  amount: number
  /** By how much it changed what of that is reserved. */
  held: number
  /** What was taken beyond what there was; the organization owes nothing for it. */
  writtenOff: number
  /** What the organization had after it; null when entries are left out by a search. */
  balance: number | null
  key: string
  reference: string | null
  note: string | null
  actorUserId: string | null
  reservationId: string | null
}

/** As the query answers it: the operation's first transfer, and sums over all of them. */
export interface FoundEntry extends Omit<Entry, 'kind' | 'balance'> {
  operation: LedgerOperation
  debit: LedgerAccount
  credit: LedgerAccount
  lastSequence: number
}

/** With balances that run on from `balance`: after the newest entry, or before the oldest. */
export function entriesOf(
  found: FoundEntry[],
  balance: number | null,
  order: 'newest first' | 'oldest first',
): Entry[] {
  let running = balance
  return found.map(({ operation, debit: _debit, credit, lastSequence: _last, ...entry }) => {
    const before = running
    if (running !== null) running += order === 'newest first' ? -entry.amount : entry.amount
    return {
      ...entry,
      kind: kindOf(operation, credit),
      balance: order === 'newest first' ? before : running,
    }
  })
}

function kindOf(operation: LedgerOperation, firstCredit: LedgerAccount): EntryKind {
  switch (operation) {
    case 'reserve':
      return 'hold'
    case 'expire':
      return 'release'
    case 'settle':
      return firstCredit === 'spent' ? 'usage' : 'release'
    default:
      return operation
  }
}
