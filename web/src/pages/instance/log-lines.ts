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
  const added = lines.map((line) => ({ ...line, text: bareText(line.text), number: ++number }))
  return [...base, ...added].slice(-logLinesMax)
}

/** Colours are for terminals, and the time that OpenClaw writes stands beside the line already. */
function bareText(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences begin with one.
  return text.replace(/\u001b\[[\d;]*m/g, '').replace(/^\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)\s+/, '')
}

export function matchingLines(lines: NumberedLine[], search: string): NumberedLine[] {
  const wanted = search.trim().toLowerCase()
  return wanted ? lines.filter(({ text }) => text.toLowerCase().includes(wanted)) : lines
}
