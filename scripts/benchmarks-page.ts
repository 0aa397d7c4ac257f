import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'

interface Result {
  name: string
  takenAt: string
  machine: { cpu: string; cores: number; memoryGibibytes: number; platform: string; node: string }
  title: string
  columns: string[]
  rows: (string | number)[][]
  notes?: string[]
}

const introduction = `# Benchmarks

Each figure is one file in \`bench/\`, taken with \`npm run bench NAME\`, beside a peer in the same run on the same machine, which
writes \`bench/results/NAME.json\`; this page is made of those files. Quote medians and ratios: the machines are shared and small,
so absolute times are worth little.
`

/** The last results, as tables. */
export async function benchmarksPage(root: string): Promise<string> {
  const directory = join(root, 'bench/results')
  const files = (await readdir(directory)).filter((name) => name.endsWith('.json')).sort()
  const results = await Promise.all(
    files.map(async (name) => JSON.parse(await readFile(join(directory, name), 'utf8')) as Result),
  )
  return [introduction, ...results.map(section)].join('\n')
}

function section(result: Result): string {
  const { machine } = result
  const rows = [
    result.columns,
    result.columns.map((_, index) => (index === 0 ? '---' : '---:')),
    ...result.rows.map((row) =>
      row.map((cell) => (typeof cell === 'number' ? cell.toLocaleString('en') : cell)),
    ),
  ]
  return `## ${result.title}

\`npm run bench ${result.name}\`, ${result.takenAt.slice(0, 10)}: ${machine.cpu}, ${machine.cores} cores, ${machine.memoryGibibytes} GiB, ${machine.platform}, Node ${machine.node}.

${rows.map((row) => `| ${row.join(' | ')} |`).join('\n')}
${(result.notes ?? []).map((note) => `\n${note}\n`).join('')}`
}
