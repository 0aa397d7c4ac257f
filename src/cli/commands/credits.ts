import { createWriteStream } from 'node:fs'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Command } from 'commander'
import type { z } from 'zod'
import { formatCredits } from '../../domain/credits/credit.ts'
import {
  creditsSchema,
  entriesSchema,
  type entrySchema,
  grantSchema,
  ledgerReportSchema,
} from '../../http/schemas/credits.ts'
import { addRemoteOptions, openClient, type RemoteOptions } from '../context.ts'
import { exitCodes } from '../failure.ts'
import { askOnce } from '../once.ts'
import { formatFields, formatTable, printJson } from '../output.ts'

type Credits = z.infer<typeof creditsSchema>
type Entry = z.infer<typeof entrySchema>
type Report = z.infer<typeof ledgerReportSchema>

interface StatementOptions extends RemoteOptions {
  search?: string
  kind?: string
  from?: string
  to?: string
  holds?: boolean
  limit?: string
  csv?: string
}

export function addCreditCommands(program: Command): void {
  const credits = addRemoteOptions(program.command('credits'))
    .description('What your organization has, and how long it lasts.')
    .addHelpText(
      'after',
      `
Examples:
  reef credits
  reef credits ledger --kind usage
  reef credits grant ada@example.com 500 --note "a first month"`,
    )
    .action(showBalance)

  addRemoteOptions(credits.command('ledger'))
    .description('Show what happened to the credits, the newest first; for owners and admins.')
    .option('--search <text>', 'only what has this text in its note, reference or key')
    .option('--kind <kind>', 'for example grant, purchase, usage')
    .option('--from <time>', 'a day or a time, UTC')
    .option('--to <time>', 'a day or a time, UTC; not included')
    .option('--holds', 'also what was only held, and given back')
    .option('--limit <count>', 'so many lines', '50')
    .option('--csv <file>', 'write all of it to this file, the oldest first; - prints it')
    .addHelpText(
      'after',
      '\nExamples:\n  reef credits ledger --search pi_3Q\n  reef credits ledger --from 2026-11-01 --to 2026-12-01 --csv november.csv',
    )
    .action(showStatement)

  addRemoteOptions(credits.command('grant'))
    .description('Give credits without payment; for operators.')
    .argument('<who>', 'an organization’s slug or id, or the e-mail address of a person')
    .argument('<credits>', 'how many; at most six decimals')
    .option('--note <text>', 'why; shown in the organization’s statement')
    .option('--idempotency-key <key>', 'with the same one the grant is made once')
    .addHelpText('after', '\nExample:\n  reef credits grant ada@example.com 500 --note "a first month"')
    .action(grant)

  const ledger = program
    .command('ledger')
    .description('The ledger of all credits; for operators.')
    .addHelpText('after', '\nExample:\n  reef ledger verify')
  addRemoteOptions(ledger.command('verify'))
    .description('Do every transfer again and compare with balances, reservations and anchors.')
    .addHelpText('after', '\nExits with 1 when something is wrong.\n\nExample:\n  reef ledger verify')
    .action(verify)
}

async function showBalance(options: RemoteOptions): Promise<void> {
  const client = await openClient(options)
  const credits = await client.call('/api/credits', { answer: creditsSchema })
  if (options.json) return printJson(credits)
  console.log(formatBalance(credits))
}

function formatBalance(credits: Credits): string {
  const fields: [string, string][] = [['Available', `${formatCredits(credits.availableMicros)} credits`]]
  if (credits.reservedMicros > 0)
    fields.push(['Held', `${formatCredits(credits.reservedMicros)} for what runs`])
  if (credits.frozenMicros > 0)
    fields.push(['Frozen', `${formatCredits(credits.frozenMicros)} while a payment is disputed`])
  fields.push(['Spent', formatCredits(credits.spentMicros)])
  fields.push(['Burns', `${formatCredits(credits.burnMicrosPerHour)} per hour`])
  if (credits.lastsUntil) fields.push(['Lasts until', credits.lastsUntil])
  if (credits.hold === 'credits')
    fields.push(['Held back', 'instances wait for credits and start again once there are some'])
  if (credits.hold === 'budget') fields.push(['Held back', 'instances wait, since a budget is spent'])
  if (!credits.paymentsPossible)
    fields.push(['To get more', 'ask whoever runs this Reef: reef credits grant WHO CREDITS'])
  return formatFields(fields)
}

async function showStatement(options: StatementOptions): Promise<void> {
  const client = await openClient(options)
  const filter = new URLSearchParams()
  for (const name of ['search', 'kind', 'from', 'to'] as const)
    if (options[name] !== undefined) filter.set(name, options[name])
  if (options.holds) filter.set('holds', 'true')
  if (options.csv !== undefined) {
    const response = await client.download(`/api/credits/ledger.csv?${filter}`)
    // The two libraries describe the same web stream by different types.
    const body = Readable.fromWeb(response.body as Parameters<typeof Readable.fromWeb>[0])
    if (options.csv === '-') await pipeline(body, process.stdout, { end: false })
    else await pipeline(body, createWriteStream(options.csv))
    return
  }
  filter.set('limit', options.limit ?? '50')
  const page = await client.call(`/api/credits/ledger?${filter}`, { answer: entriesSchema })
  if (options.json) return printJson(page.entries)
  console.log(
    page.entries.length === 0 ? 'Nothing has happened to the credits yet.' : formatEntries(page.entries),
  )
}

function formatEntries(entries: Entry[]): string {
  return formatTable(
    ['time', 'kind', 'credits', 'balance', 'what for'],
    entries.map((entry) => [
      entry.at,
      entry.kind,
      formatCredits(entry.amountMicros),
      entry.balanceMicros === null ? '' : formatCredits(entry.balanceMicros),
      [entry.note, entry.reference].filter((text) => text !== null).join(' · '),
    ]),
  )
}

async function grant(
  who: string,
  credits: string,
  options: RemoteOptions & { note?: string; idempotencyKey?: string },
): Promise<void> {
  const client = await openClient(options)
  const given = await askOnce(options.idempotencyKey, (idempotencyKey) =>
    client.call('/api/admin/credits/grants', {
      method: 'POST',
      body: {
        to: who,
        credits: Number(credits),
        ...(options.note ? { note: options.note } : {}),
        idempotencyKey,
      },
      answer: grantSchema,
    }),
  )
  if (options.json) return printJson(given)
  console.log(
    `${given.replayed ? 'Had already given' : 'Gave'} ${formatCredits(given.amountMicros)} credits to ${given.organization.name} (${given.organization.slug}), which now has ${formatCredits(given.availableMicros)}.`,
  )
}

async function verify(options: RemoteOptions): Promise<void> {
  const client = await openClient(options)
  const report = await client.call('/api/admin/ledger/verify', { method: 'POST', answer: ledgerReportSchema })
  if (options.json) printJson(report)
  else console.log(formatReport(report))
  if (!report.ok) process.exitCode = exitCodes.failed
}

function formatReport(report: Report): string {
  const scope = `${report.transfers.toLocaleString('en')} transfers of ${report.organizations.toLocaleString('en')} organizations, ${report.anchors.toLocaleString('en')} anchors, ${report.seconds.toFixed(1)} s`
  if (report.ok) return `The ledger is right: ${scope}.`
  return [
    `The ledger is WRONG in ${report.problemsCount} places (${scope}):`,
    ...report.problems.map(
      (problem) =>
        `  ${problem.kind}${problem.organizationId ? ` of organization ${problem.organizationId}` : ''}: ${problem.message}`,
    ),
    ...(report.problemsCount > report.problems.length ? ['  ...'] : []),
    'Keep the database as it is, take a copy, and compare with your backups.',
  ].join('\n')
}
