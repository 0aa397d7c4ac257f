import { creditsOfMoney } from '../../../../src/domain/payments/packs.ts'
import type { AdminPayment } from '../../api/types.ts'
import { creditsText, moneyText } from '../../ui/credits.ts'

/** What a person typed, as hundredths; undefined when it is no amount of money above zero. */
export function parseMoney(text: string): number | undefined {
  const [, units = '', hundredths = ''] =
    /^(\d{1,7})(?:\.(\d{1,2}))?$/.exec(text.trim().replaceAll(',', '')) ?? []
  const cents = Number(units) * 100 + Number(hundredths.padEnd(2, '0'))
  return units !== '' && cents > 0 ? cents : undefined
}

/** For a field: 5 or 7.50. */
export function moneyDraft(cents: number): string {
  return cents % 100 === 0 ? String(cents / 100) : (cents / 100).toFixed(2)
}

/** Why it cannot be refunded, in words; null when it can. */
export function refundObstacle(payment: AdminPayment, sells: boolean): string | null {
  if (payment.state !== 'paid') return 'It was not paid.'
  if (payment.leftCents === 0) return 'All of it was refunded.'
  if (payment.disputes.some(({ state }) => state === 'open' || state === 'lost'))
    return 'The money goes back through its dispute.'
  if (!sells) return 'STRIPE_SECRET_KEY is not set.'
  return null
}

/** What a refund of so much does to the credits, as things are now. */
export function refundEffect(payment: AdminPayment, amountCents: number): { unused: number; used: number } {
  const credits = creditsOfMoney(
    { credits: payment.creditsMicros, amount_cents: payment.amountCents },
    amountCents,
  )
  const unused = Math.min(credits, payment.availableMicros)
  return { unused, used: credits - unused }
}

export function effectText(payment: AdminPayment, amountCents: number): string {
  const { unused, used } = refundEffect(payment, amountCents)
  const money = moneyText(amountCents, payment.currency)
  const name = payment.organizationName ?? 'The organization'
  const taken =
    unused > 0 ? `${name} loses ${creditsText(unused)} that it has not used.` : `${name} loses no credits.`
  const writtenOff =
    used > 0
      ? ` ${creditsText(used)} of the refund were used already: nobody pays for them any more, and they are written off.`
      : ''
  return `${money} go back to the card. ${taken}${writtenOff}`
}

const disputeStateText: Record<AdminPayment['disputes'][number]['state'], string> = {
  inquiry: 'The bank asks about it; no money has moved',
  open: 'Disputed',
  won: 'Dispute won',
  lost: 'Dispute lost',
}

/** In one line what became of a dispute and of the credits. */
export function disputeText(dispute: AdminPayment['disputes'][number], currency: string): string {
  const credits = [
    dispute.frozenMicros > 0 ? `${creditsText(dispute.frozenMicros)} are frozen` : '',
    dispute.takenMicros > 0 ? `${creditsText(dispute.takenMicros)} were taken` : '',
    dispute.writtenOffMicros > 0 ? `${creditsText(dispute.writtenOffMicros)} are written off` : '',
  ].filter(Boolean)
  const reason = dispute.reason ? ` (${dispute.reason.replaceAll('_', ' ')})` : ''
  const what = `${disputeStateText[dispute.state]}: ${moneyText(dispute.amountCents, currency)}${reason}.`
  return [what, ...(credits.length > 0 ? [`${credits.join(', ')}.`] : [])].join(' ')
}
