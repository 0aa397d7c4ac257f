import { mkdir, writeFile } from 'node:fs/promises'
import { arch, availableParallelism, cpus, platform, totalmem } from 'node:os'

export interface Table {
  title: string
  columns: readonly string[]
  rows: readonly (readonly (string | number)[])[]
  /** What a reader must know to read the figures right. */
  notes?: readonly string[]
}

/** Prints the table and writes it, with the machine's description, to bench/results/NAME.json. */
export async function report(name: string, table: Table): Promise<void> {
  const machine = describeMachine()
  console.log(`\n${table.title}\n`)
  printRows([table.columns, ...table.rows])
  for (const note of table.notes ?? []) console.log(`  ${note}`)
  console.log(
    `\n${machine.cpu}, ${machine.cores} cores, ${machine.memoryGibibytes} GiB, Node ${machine.node}`,
  )
  const directory = new URL('../results/', import.meta.url)
  await mkdir(directory, { recursive: true })
  const file = new URL(`${name}.json`, directory)
  await writeFile(
    file,
    `${JSON.stringify({ name, takenAt: new Date().toISOString(), machine, ...table }, null, 2)}\n`,
  )
  console.log(`Written to bench/results/${name}.json`)
}

function describeMachine() {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryGibibytes: Math.round(totalmem() / 1024 ** 3),
    platform: `${platform()} ${arch()}`,
    node: process.versions.node,
  }
}

function printRows(rows: readonly (readonly (string | number)[])[]): void {
  const texts = rows.map((row) =>
    row.map((cell) => (typeof cell === 'number' ? cell.toLocaleString('en') : cell)),
  )
  const widths = (texts[0] ?? []).map((_, column) =>
    Math.max(...texts.map((row) => row[column]?.length ?? 0)),
  )
  for (const [index, row] of texts.entries()) {
    const cells = row.map((cell, column) =>
      column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
    )
    console.log(`  ${cells.join('  ')}`)
    if (index === 0) console.log(`  ${widths.map((width) => '-'.repeat(width)).join('  ')}`)
  }
}
