import { invalid } from '../../errors.ts'
import { formatCredits, microsPerCredit } from '../credits/credit.ts'

/** What can be bought at once. */
export interface CreditPack {
  /** Stable as long as it sells as many credits: their number. */
  id: string
  name: string
  creditsMicros: number
  priceCents: number
}

/** What is sold, and in which currency (ISO 4217, lower case, with hundredths). */
export interface Offer {
  packs: readonly CreditPack[]
  currency: string
}

/** Reads `CREDITS=PRICE,...`, for example `500=5,1000=9.50`; undefined when it is not that. */
export function parsePacks(text: string): CreditPack[] | undefined {
  const packs = text.split(',').map((part) => parsePack(part.trim()))
  const ids = new Set(packs.map((pack) => pack?.id))
  return packs.every((pack) => pack !== undefined) && ids.size === packs.length ? packs : undefined
}

/** Their smallest unit is not a hundredth. */
const withoutHundredths = new Set(
  'bif clp djf gnf jpy kmf krw mga pyg rwf ugx vnd vuv xaf xof xpf bhd iqd jod kwd lyd omr tnd'.split(' '),
)

export function isCurrency(text: string): boolean {
  return /^[a-z]{3}$/.test(text) && !withoutHundredths.has(text)
}

function parsePack(text: string): CreditPack | undefined {
  const [, credits = '', units = '', hundredths = ''] =
    /^([1-9]\d{0,8})=(\d{1,6})(?:\.(\d{1,2}))?$/.exec(text) ?? []
  const priceCents = Number(units) * 100 + Number(hundredths.padEnd(2, '0'))
  if (credits === '' || priceCents === 0) return undefined
  const creditsMicros = Number(credits) * microsPerCredit
  return { id: credits, name: `${formatCredits(creditsMicros)} credits`, creditsMicros, priceCents }
}

export function getPack(offer: Offer, id: string): CreditPack {
  const pack = offer.packs.find((one) => one.id === id)
  if (!pack)
    throw invalid(
      'pack',
      `There is no pack ${id.slice(0, 40)}. There are: ${offer.packs.map((one) => one.id).join(', ')}.`,
    )
  return pack
}

/** The credits that so much of a payment's money stands for, rounded down to a whole micro-credit. */
export function creditsOfMoney(
  payment: { credits: number; amount_cents: number },
  amountCents: number,
): number {
  return Number((BigInt(payment.credits) * BigInt(amountCents)) / BigInt(payment.amount_cents))
}

/** The money that so many of a payment's credits stand for, rounded down to a whole cent. */
export function moneyOfCredits(
  payment: { credits: number; amount_cents: number },
  creditsMicros: number,
): number {
  return Number((BigInt(payment.amount_cents) * BigInt(creditsMicros)) / BigInt(payment.credits))
}

export function formatMoney(amountCents: number, currency: string): string {
  return `${(amountCents / 100).toFixed(2)} ${currency.toUpperCase()}`
}
