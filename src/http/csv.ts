import { Readable } from 'node:stream'

export type Cell = string | number | null

/** A table as RFC 4180 has it, row by row, however many there are. */
export function csvStream(header: readonly string[], rows: AsyncIterable<readonly Cell[]>): Readable {
  return Readable.from(
    (async function* () {
      yield csvLine(header)
      for await (const row of rows) yield csvLine(row)
    })(),
  )
}

export function csvLine(cells: readonly Cell[]): string {
  return `${cells.map(csvCell).join(',')}\r\n`
}

/** Spreadsheets take text that begins like this for a formula (OWASP, CSV Injection). Numbers are left as they are. */
const formulaStart = /^[=+\-@\t\r\n＝＋－＠]/

function csvCell(cell: Cell): string {
  if (cell === null) return ''
  if (typeof cell === 'number') return String(cell)
  const text = formulaStart.test(cell) && !isDecimal(cell) ? `'${cell}` : cell
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

function isDecimal(text: string): boolean {
  return /^-?\d+(\.\d+)?$/.test(text)
}
