/** Everything is counted in whole micro-credits; a credit is a million of them. */
export const microsPerCredit = 1_000_000

/** As people read it: at most two decimals, more only where two would show nothing. Rounds towards zero, so that nobody is promised what is not there. */
export function formatCredits(micros: number): string {
  const decimals = Math.abs(micros) >= microsPerCredit / 100 || micros === 0 ? 2 : 6
  const scale = 10 ** decimals
  const shown = Math.trunc((micros / microsPerCredit) * scale) / scale
  return shown.toLocaleString('en-US', { maximumFractionDigits: decimals })
}
