import type { Trx } from '../../db/database.ts'
import type { AlertDetails } from '../../db/tables/budgets.ts'
import { clearAlert, type NewAlert, raiseAlert } from '../credits/alerts.ts'
import { formatCredits } from '../credits/credit.ts'
import { formatMoney } from './packs.ts'
import type { DisputeRow, PaymentRecord, PaymentRow } from './payment.ts'

/**
 * Tells the operators of disputes that were opened or closed, in the transaction that freezes, takes or gives back their
 * credits: as that happens once for each turn of a dispute, so does the telling.
 */
export async function tellOfDisputes(trx: Trx, before: PaymentRecord, after: PaymentRecord): Promise<void> {
  for (const dispute of after.disputes) {
    const known = before.disputes.find((one) => one.dispute_id === dispute.dispute_id)
    if (known?.turn === dispute.turn) continue
    if (known) await clearAlert(trx, keyOf(known))
    const name = await findOrganizationName(trx, after.payment.organization_id)
    const alert = disputeAlert(after.payment, known, dispute, name)
    if (alert) await raiseAlert(trx, alert)
  }
}

function keyOf({ dispute_id, turn }: DisputeRow): string {
  return `dispute:${dispute_id}:${turn}`
}

async function findOrganizationName(trx: Trx, organizationId: string): Promise<string> {
  const row = await trx
    .selectFrom('organizations')
    .select('name')
    .where('id', '=', organizationId)
    .executeTakeFirst()
  return row?.name ?? 'an organization that is gone'
}

/** Null for an inquiry, which has moved no money and may come to nothing. */
function disputeAlert(
  payment: PaymentRow,
  before: DisputeRow | undefined,
  dispute: DisputeRow,
  organizationName: string,
): NewAlert | null {
  const words = wordsOf(payment, before, dispute, organizationName)
  if (!words) return null
  return {
    organizationId: null,
    kind: dispute.state === 'open' ? 'dispute_opened' : 'dispute_closed',
    severity: dispute.state === 'won' ? 'info' : 'warning',
    ...words,
    details: detailsOf(payment, before, dispute),
    key: keyOf(dispute),
  }
}

function wordsOf(
  payment: PaymentRow,
  before: DisputeRow | undefined,
  dispute: DisputeRow,
  name: string,
): Pick<NewAlert, 'title' | 'message'> | null {
  const [amount, paid] = [dispute.amount_cents, payment.amount_cents].map((cents) =>
    formatMoney(cents, payment.currency),
  )
  const what = amount === paid ? `A payment of ${paid}` : `${amount} of a payment of ${paid}`
  switch (dispute.state) {
    case 'open': {
      const until = dispute.due_at ? ` by ${dispute.due_at.toISOString().slice(0, 10)}` : ''
      return {
        title: `A payment of ${name} is disputed`,
        message: `${what} is disputed${dispute.reason ? ` (${dispute.reason})` : ''}. ${frozenWords(dispute)} Answer it at Stripe${until}; whatever comes of it is booked by itself.`,
      }
    }
    case 'won': {
      const title = `The dispute over a payment of ${name} was won`
      if (!before || before.state === 'inquiry')
        return { title, message: `${what} was disputed. Nothing had been frozen or taken.` }
      const back = before.state === 'open' ? before.frozen : before.taken
      return {
        title,
        message: `${what} was disputed and stays yours. ${credits(back)} are available to the organization again.`,
      }
    }
    case 'lost':
      return {
        title: `The dispute over a payment of ${name} was lost`,
        message: `${what} went back to the card’s owner. ${takenWords(before, dispute)}`,
      }
    case 'inquiry':
      return null
  }
}

function frozenWords({ frozen, credits: stoodFor }: DisputeRow): string {
  if (frozen === stoodFor) return `The ${credits(frozen)} that it stands for are frozen.`
  return `Of the ${credits(stoodFor)} that it stands for ${formatCredits(frozen)} are frozen; the rest was used before.`
}

function takenWords(before: DisputeRow | undefined, { taken, written_off }: DisputeRow): string {
  const frozen =
    before && before.frozen > 0 ? ` (${formatCredits(before.frozen)} of them had been frozen)` : ''
  const used = written_off > 0 ? ` ${credits(written_off)} had been used before and are written off.` : ''
  return `${credits(taken)} were taken${frozen}.${used}`
}

function credits(micros: number): string {
  return `${formatCredits(micros)} credits`
}

function detailsOf(payment: PaymentRow, before: DisputeRow | undefined, dispute: DisputeRow): AlertDetails {
  return {
    organizationId: payment.organization_id,
    paymentId: payment.id,
    disputeId: dispute.dispute_id,
    state: dispute.state,
    reason: dispute.reason,
    dueAt: dispute.due_at?.toISOString() ?? null,
    amountCents: dispute.amount_cents,
    currency: payment.currency,
    creditsMicros: dispute.credits,
    // What is frozen now, or was until this.
    frozenMicros: dispute.state === 'open' ? dispute.frozen : (before?.frozen ?? 0),
    takenMicros: dispute.taken,
    writtenOffMicros: dispute.written_off,
  }
}
