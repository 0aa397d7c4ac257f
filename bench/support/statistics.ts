/** How many there are, the least, the middle one and the greatest. */
export function summarize(values: readonly number[]): [number, number, number, number] {
  return [
    values.length,
    rounded(percentile(values, 0)),
    rounded(percentile(values, 50)),
    rounded(percentile(values, 100)),
  ]
}

/** The smallest value that at least `percent` of all values do not exceed. NaN for none. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  const rank = Math.max(1, Math.ceil((percent / 100) * sorted.length))
  return sorted[rank - 1] ?? Number.NaN
}

export function median(values: readonly number[]): number {
  return rounded(percentile(values, 50))
}

/** Three significant digits, which is more than any single run deserves. */
export function rounded(value: number): number {
  return Number.isFinite(value) ? Number(value.toPrecision(3)) : value
}
