import { formatCredits, microsOf } from '../../../src/domain/credits/credit.ts'

/** The same words as the command line's and the server's: rounded towards zero. */
export function creditsText(micros: number): string {
  return `${formatCredits(micros)} ${micros === 1_000_000 ? 'credit' : 'credits'}`
}

export function amountText(micros: number): string {
  return formatCredits(micros)
}

/** With its sign, as in a statement. */
export function changeText(micros: number): string {
  return micros > 0 ? `+${formatCredits(micros)}` : formatCredits(micros).replace('-', '−')
}

/** What a person typed, as micro-credits; undefined when it is no amount above zero. */
export function parseCredits(text: string): number | undefined {
  const micros = microsOf(text.trim().replaceAll(',', ''))
  return micros !== undefined && micros > 0 ? micros : undefined
}

export function moneyText(cents: number, currency: string): string {
  return new Intl.NumberFormat('en', { style: 'currency', currency: currency.toUpperCase() }).format(
    cents / 100,
  )
}

const count = new Intl.NumberFormat('en')
const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 })

/** 950, 12.3K, 4.5M. */
export function countText(value: number): string {
  return value < 10_000 ? count.format(value) : compact.format(value)
}

/** "3 h 5 min", in its two largest units. */
export function timeText(seconds: number): string {
  if (seconds < 60) return `${Math.round(seconds)} s`
  const minutes = Math.round(seconds / 60)
  if (minutes < 60) return `${minutes} min`
  const hours = Math.floor(minutes / 60)
  return hours < 100 ? `${hours} h ${minutes % 60} min` : `${count.format(hours)} h`
}
