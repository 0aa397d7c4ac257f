import type { LogLine } from '../../api/types.ts'

/** More than this is for `reef logs`; the browser keeps the newest. */
export const logLinesMax = 2_000

export interface NumberedLine extends LogLine {
  /** Stays the same while older lines fall off. */
  number: number
}

export function appendLines(held: NumberedLine[], lines: LogLine[], fresh: boolean): NumberedLine[] {
  // The tail after a reconnect repeats what is there already, so it replaces it.
  const base = fresh ? [] : held
  let number = held.at(-1)?.number ?? 0
  const added = lines.map((line) => ({ ...line, number: ++number }))
  return [...base, ...added].slice(-logLinesMax)
}

export function matchingLines(lines: NumberedLine[], search: string): NumberedLine[] {
  const wanted = search.trim().toLowerCase()
  return wanted ? lines.filter(({ text }) => text.toLowerCase().includes(wanted)) : lines
}
