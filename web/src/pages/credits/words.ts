import type { Budget, Credits, LedgerEntry, Payment, UsageGrouping } from '../../api/types.ts'
import { timeText } from '../../ui/credits.ts'

export const zeroText =
  'At zero the next model call is refused and instances stop. Nothing of theirs is lost: files, conversations and addresses stay, and all of it starts again by itself once there are credits.'

const dayMs = 86_400_000

/** How long what there is lasts if it goes on like this. */
export function lastsText({ lastsUntil }: Pick<Credits, 'lastsUntil'>, nowMs: number): string {
  if (!lastsUntil) return '—'
  const leftMs = Date.parse(lastsUntil) - nowMs
  if (leftMs <= 0) return 'used up'
  if (leftMs < 2 * dayMs) return timeText(leftMs / 1000)
  const days = Math.floor(leftMs / dayMs)
  return days < 730 ? `${days} days` : 'years'
}

export const kindText: Record<LedgerEntry['kind'], string> = {
  grant: 'Granted',
  purchase: 'Bought',
  refund: 'Refunded',
  freeze: 'Held back for a dispute',
  unfreeze: 'Dispute won',
  forfeit: 'Dispute lost',
  usage: 'Used',
  hold: 'Held',
  release: 'Given back',
}

/** What an entry is about, for people; keys and references are for programs. */
export function entryText(entry: Pick<LedgerEntry, 'kind' | 'note' | 'key'>): string {
  if (entry.note) return entry.note
  if (entry.kind === 'usage' || entry.kind === 'hold' || entry.kind === 'release')
    return entry.key.startsWith('call:')
      ? 'Model call'
      : entry.key.startsWith('runtime')
        ? 'Running time'
        : ''
  return ''
}

export const groupingText: Record<UsageGrouping, string> = {
  day: 'Day',
  model: 'Model',
  instance: 'Instance',
  member: 'Member',
  agent: 'Agent',
}

export function budgetText(budget: Pick<Budget, 'scope' | 'subjectName' | 'subjectId'>): string {
  switch (budget.scope) {
    case 'organization':
      return 'The whole organization'
    case 'member':
      return budget.subjectName ?? 'Somebody who has left'
    case 'instance':
      return `Instance ${budget.subjectName ?? budget.subjectId}`
    case 'agent':
      return `Agent ${budget.subjectName ?? budget.subjectId}`
  }
}

const paymentStateText: Record<Payment['state'], string> = {
  open: 'Not paid yet',
  processing: 'The bank takes its time',
  paid: 'Paid',
  failed: 'Failed',
  expired: 'Given up',
}

/** In one line what became of a payment. */
export function paymentText(
  payment: Pick<Payment, 'state' | 'failure' | 'refundedCents' | 'amountCents' | 'dispute'>,
): string {
  if (payment.dispute === 'open' || payment.dispute === 'inquiry') return 'Disputed'
  if (payment.dispute === 'lost') return 'Dispute lost'
  if (payment.refundedCents >= payment.amountCents && payment.amountCents > 0) return 'Refunded'
  if (payment.refundedCents > 0) return 'Refunded in part'
  return payment.failure ?? paymentStateText[payment.state]
}
