import type { Selectable } from 'kysely'
import type { AutoTopUpsTable } from '../../db/tables/payments.ts'
import { formatMoney } from './packs.ts'

/** Pure decisions of auto top-up: when a saved card is charged, and when that has to end. */

export type AutoTopUpRow = Selectable<AutoTopUpsTable>

export interface TopUpSituation {
  settings: AutoTopUpRow
  available: number
  card: { id: string } | null
  pack: { priceCents: number; creditsMicros: number } | undefined
  currency: string
  /** Another one is under way. */
  pending: boolean
  /** Auto top-ups of this calendar month (UTC) that did not fail. */
  monthCents: number
  /** Those of the last 24 hours, failed ones too. */
  dayCount: number
  /** A payment is disputed right now. */
  disputed: boolean
  now: Date
}

export type TopUpDecision =
  | { kind: 'charge'; cardId: string }
  | { kind: 'wait' }
  /** Low, and nothing can be done until somebody does something or the month ends. */
  | { kind: 'blocked'; problem: string }
  | { kind: 'switchOff'; problem: string }

/** Whatever else goes wrong, nobody's card is charged more often than this. */
const topUpsPerDayMax = 10
/** Between two of one organization, so that the first has its effect before the second is considered. */
export const topUpPauseMilliseconds = 60_000

export function decideTopUp(situation: TopUpSituation): TopUpDecision {
  const { settings, available, card, pack, currency, now } = situation
  if (!settings.enabled || situation.pending) return { kind: 'wait' }
  if (available >= settings.threshold || settings.due_at > now) return { kind: 'wait' }
  if (!pack)
    return {
      kind: 'switchOff',
      problem: 'Auto top-up is off: the pack that it bought is no longer sold. Choose another one.',
    }
  if (!card)
    return {
      kind: 'switchOff',
      problem:
        'Auto top-up is off: no card is saved. Buy a pack with “Keep the card for auto top-up”, or add one under “Cards and invoices”.',
    }
  if (situation.disputed)
    return {
      kind: 'blocked',
      problem: 'Auto top-up waits: a payment is disputed. It goes on when that is settled.',
    }
  if (situation.monthCents + pack.priceCents > settings.monthly_limit_cents)
    return {
      kind: 'blocked',
      problem: `Auto top-up waits: this month's limit of ${formatMoney(settings.monthly_limit_cents, currency)} is used up. Raise it, or buy a pack.`,
    }
  if (situation.dayCount >= topUpsPerDayMax)
    return {
      kind: 'blocked',
      problem: `Auto top-up waits: it has bought ${topUpsPerDayMax} packs within a day. Choose a larger pack.`,
    }
  return { kind: 'charge', cardId: card.id }
}

/**
 * Why what was ordered earlier and never reached the provider must not be charged any more, for the person; null while the
 * same would be ordered now. Nothing in the situation is of the order itself.
 */
export function reasonToDrop(
  situation: TopUpSituation,
  ordered: { pack: string; cardId: string | null },
): string | null {
  const { settings, now } = situation
  // The pause after an order keeps others back, not the order itself.
  const decision = decideTopUp({ ...situation, settings: { ...settings, due_at: now } })
  switch (decision.kind) {
    case 'charge':
      return decision.cardId === ordered.cardId && settings.pack === ordered.pack
        ? null
        : 'Another card or pack was chosen for auto top-up before the card could be charged.'
    case 'wait':
      return settings.enabled
        ? 'There were enough credits again before the card could be charged.'
        : switchedOffReason
    case 'blocked':
    case 'switchOff':
      return decision.problem
  }
}

export const switchedOffReason = 'Auto top-up was switched off before the card could be charged.'

const hour = 3_600_000
const failurePauses = [hour, 6 * hour]

/** Only the card's owner can change these; asking again would change nothing, or make the bank suspicious. */
const finalCodes = new Set([
  'authentication_required',
  'expired_card',
  'lost_card',
  'stolen_card',
  'pickup_card',
  'fraudulent',
  'revocation_of_all_authorizations',
  'revocation_of_authorization',
  'stop_payment_order',
  'payment_method_missing',
])

export interface TopUpFailure {
  failures: number
  enabled: boolean
  dueAt: Date
  problem: string
}

/** What a failed charge leads to: a pause, and after the third or a final one the end. */
export function afterFailure(
  failuresBefore: number,
  failure: { code: string; message: string },
  now: Date,
): TopUpFailure {
  const failures = failuresBefore + 1
  const pause = finalCodes.has(failure.code) ? undefined : failurePauses[failures - 1]
  const enabled = pause !== undefined
  return {
    failures,
    enabled,
    dueAt: new Date(now.getTime() + (pause ?? 0)),
    problem: enabled
      ? `The card was declined: ${failure.message} It is tried again in ${pause / hour} hours.`
      : `Auto top-up is off: the card was declined. ${failure.message} Buy a pack, or change the card under “Cards and invoices”, and switch it on again.`,
  }
}
