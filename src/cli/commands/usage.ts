import { type Command, Option } from 'commander'
import type { z } from 'zod'
import { formatCredits } from '../../domain/credits/credit.ts'
import { usageGroupings } from '../../domain/usage/report.ts'
import { type usageRowSchema, usageSchema, type usageSumsSchema } from '../../http/schemas/usage.ts'
import { addRemoteOptions, openClient, type RemoteOptions } from '../context.ts'
import { formatTable, printJson } from '../output.ts'

type Usage = z.infer<typeof usageSchema>
type Row = z.infer<typeof usageRowSchema>
type Sums = z.infer<typeof usageSumsSchema>
type Grouping = Usage['by'][number]

interface UsageOptions extends RemoteOptions {
  by: Grouping
  by2?: Grouping
  from?: string
  to?: string
}

export function addUsageCommand(program: Command): void {
  addRemoteOptions(program.command('usage'))
    .description('What was used and what it cost; members see what they used themselves.')
    .addOption(new Option('--by <group>', 'group by').choices(usageGroupings).default('day'))
    .addOption(new Option('--by2 <group>', 'split each group further').choices(usageGroupings))
    .option('--from <time>', 'a day or a time, UTC; default: 30 days ago')
    .option('--to <time>', 'a day or a time, UTC; not included')
    .addHelpText(
      'after',
      '\nExamples:\n  reef usage\n  reef usage --by model --from 2026-11-01 --to 2026-12-01\n  reef usage --by day --by2 member --json',
    )
    .action(showUsage)
}

async function showUsage(options: UsageOptions): Promise<void> {
  const client = await openClient(options)
  const query = new URLSearchParams({ by: options.by })
  for (const name of ['by2', 'from', 'to'] as const)
    if (options[name] !== undefined) query.set(name, options[name])
  const usage = await client.call(`/api/usage?${query}`, { answer: usageSchema })
  if (options.json) return printJson(usage)
  console.log(usage.rows.length === 0 ? 'Nothing was used in this time.' : formatUsage(usage))
}

export function formatUsage({ by, rows, total }: Usage): string {
  return formatTable(
    [...by, 'calls', 'input', 'cached', 'output', 'running', 'asleep', 'credits'],
    [
      ...rows.map((row) => [...by.map((grouping) => keyText(row, grouping)), ...cellsOf(row)]),
      [...by.map((_grouping, index) => (index === 0 ? 'total' : '')), ...cellsOf(total)],
    ],
  )
}

function keyText(row: Row, grouping: Grouping): string {
  switch (grouping) {
    case 'day':
      return row.day ?? ''
    case 'model':
      return row.model ?? '(runtime)'
    case 'instance':
    case 'member':
      return row[grouping]?.name ?? row[grouping]?.id ?? '(unknown)'
    case 'agent':
      return row.agentId ?? '(none)'
  }
}

function cellsOf(sums: Sums): string[] {
  return [
    String(sums.calls),
    String(sums.inputTokens),
    String(sums.cachedInputTokens),
    String(sums.outputTokens),
    formatHours(sums.runningSeconds),
    formatHours(sums.suspendedSeconds + sums.storedSeconds),
    formatCredits(sums.costMicros),
  ]
}

/** `12:05:09`, hours first. */
function formatHours(seconds: number): string {
  const whole = Math.round(seconds)
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60]
  return parts.map((part) => String(part).padStart(2, '0')).join(':')
}
