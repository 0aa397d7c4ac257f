/** Everything is counted in whole micro-credits; a credit is a million of them. */
export const microsPerCredit = 1_000_000

/** As people read it: at most two decimals, more only where two would show nothing. Rounds towards zero, so that nobody is promised what is not there. */
export function formatCredits(micros: number): string {
  const decimals = Math.abs(micros) >= microsPerCredit / 100 || micros === 0 ? 2 : 6
  const scale = 10 ** decimals
  const shown = Math.trunc((micros / microsPerCredit) * scale) / scale
  return shown.toLocaleString('en-US', { maximumFractionDigits: decimals })
}

/** Exactly, for programs: a decimal number of credits with six places. */
export function decimalCredits(micros: number): string {
  const digits = String(Math.abs(micros)).padStart(7, '0')
  return `${micros < 0 ? '-' : ''}${digits.slice(0, -6)}.${digits.slice(-6)}`
}

/** The other way round. Undefined for what is no decimal number, has more than six places, or is beyond exact counting. */
export function microsOf(credits: string): number | undefined {
  const match = /^(-?)(\d{1,10})(?:\.(\d{1,6}))?$/.exec(credits)
  if (!match) return undefined
  const [, sign, whole = '', fraction = ''] = match
  const micros = Number(whole + fraction.padEnd(6, '0'))
  if (!Number.isSafeInteger(micros)) return undefined
  return sign === '-' ? -micros : micros
}
