import type { Command } from 'commander'
import { z } from 'zod'
import { deniedDomainSchema, egressSchema, presetSchema } from '../../http/schemas/egress.ts'
import { meSchema } from '../../http/schemas/instances.ts'
import type { ReefClient } from '../client.ts'
import { addRemoteOptions, findInstance, openClient, type RemoteOptions } from '../context.ts'
import { CliError } from '../failure.ts'
import { formatAge, formatTable, printJson } from '../output.ts'

type Egress = z.infer<typeof egressSchema>
type Denied = z.infer<typeof deniedDomainSchema>

interface EgressOptions extends RemoteOptions {
  instance?: string
  all?: boolean
}

export function addEgressCommands(program: Command): void {
  const egress = program
    .command('egress')
    .description('What your instance may reach of the outside.')
    .addHelpText(
      'after',
      `
Examples:
  reef egress list
  reef egress denied
  reef egress allow api.example.com
  reef egress preset github`,
    )

  addPlaceOptions(egress.command('list'))
    .description('Show what may be reached.')
    .addHelpText('after', '\nExample:\n  reef egress list --all')
    .action(list)

  addPlaceOptions(egress.command('allow'))
    .description('Allow a domain. It can be reached at once.')
    .argument('<domain>', 'example.com, or *.example.com for everything below it')
    .option('--port <port...>', 'these ports and no others (default: 80 and 443)')
    .addHelpText(
      'after',
      '\nExamples:\n  reef egress allow api.example.com\n  reef egress allow db.example.com --port 5432',
    )
    .action(allow)

  addPlaceOptions(egress.command('deny'))
    .description('Allow a domain no longer. Connections that are open to it are closed.')
    .argument('<domain>', 'as the list shows it')
    .addHelpText('after', '\nExample:\n  reef egress deny api.example.com')
    .action(deny)

  addPlaceOptions(egress.command('preset'))
    .description('Allow domains that are wanted together; without a name, list the presets.')
    .argument('[preset]', 'for example github')
    .addHelpText('after', '\nExamples:\n  reef egress preset\n  reef egress preset npm --all')
    .action(applyPreset)

  addPlaceOptions(egress.command('mode'))
    .description('Restrict to what is allowed, or open to every public address if the operator permits it.')
    .argument('<mode>', 'allow_list, open, or inherit')
    .addHelpText('after', '\nExample:\n  reef egress mode allow_list')
    .action(setMode)

  addRemoteOptions(egress.command('denied'))
    .description('Show what your instance was refused in the last 24 hours.')
    .option('--instance <slug>', 'another instance of the organization')
    .addHelpText('after', '\nExample:\n  reef egress denied')
    .action(showDenied)
}

function addPlaceOptions(command: Command): Command {
  return addRemoteOptions(command)
    .option('--instance <slug>', 'another instance of the organization')
    .option('--all', 'for all instances of the organization')
}

/** The path of the list that the options mean. */
async function pathOf(client: ReefClient, options: EgressOptions): Promise<string> {
  if (!options.all) return `/api/instances/${(await findInstance(client, options.instance)).id}/egress`
  if (options.instance !== undefined)
    throw new CliError('usage', 'Give --instance or --all: a list is one instance’s or the organization’s.')
  const { organization } = await client.call('/api/me', { answer: meSchema })
  return `/api/orgs/${organization.id}/egress`
}

async function list(options: EgressOptions): Promise<void> {
  const client = await openClient(options)
  print(await client.call(await pathOf(client, options), { answer: egressSchema }), options)
}

async function allow(domain: string, options: EgressOptions & { port?: string[] }): Promise<void> {
  const client = await openClient(options)
  const body = { domain, ports: (options.port ?? []).map(Number) }
  const path = `${await pathOf(client, options)}/rules`
  print(await client.call(path, { method: 'PUT', body, answer: egressSchema }), options)
}

async function deny(domain: string, options: EgressOptions): Promise<void> {
  const client = await openClient(options)
  const path = `${await pathOf(client, options)}/rules/${encodeURIComponent(domain)}`
  print(await client.call(path, { method: 'DELETE', answer: egressSchema }), options)
}

async function applyPreset(preset: string | undefined, options: EgressOptions): Promise<void> {
  const client = await openClient(options)
  if (preset !== undefined) {
    const path = `${await pathOf(client, options)}/presets/${encodeURIComponent(preset)}`
    print(await client.call(path, { method: 'POST', answer: egressSchema }), options)
    return
  }
  const { presets } = await client.call('/api/egress/presets', {
    answer: z.object({ presets: z.array(presetSchema) }),
  })
  if (options.json) return printJson(presets)
  console.log(
    formatTable(
      ['preset', 'what for', 'domains'],
      presets.map((one) => [one.id, one.description, one.domains.join(' ')]),
    ),
  )
}

async function setMode(mode: string, options: EgressOptions): Promise<void> {
  const client = await openClient(options)
  const body = { mode: mode === 'inherit' ? null : mode }
  const path = await pathOf(client, options)
  print(await client.call(path, { method: 'PUT', body, answer: egressSchema }), options)
}

async function showDenied(options: EgressOptions): Promise<void> {
  const client = await openClient(options)
  const path = `${await pathOf(client, options)}/denied`
  const { denied } = await client.call(path, { answer: z.object({ denied: z.array(deniedDomainSchema) }) })
  if (options.json) return printJson(denied)
  console.log(
    denied.length === 0 ? 'Nothing was refused in the last 24 hours.' : formatDenied(denied, new Date()),
  )
}

function print(egress: Egress, options: RemoteOptions): void {
  if (options.json) {
    printJson(egress)
    return
  }
  console.log(formatEgress(egress))
  if (!egress.enforced) console.error(egress.notice)
}

export function formatEgress(egress: Egress): string {
  if (egress.rules.length === 0)
    return egress.mode === 'open'
      ? 'Every public address may be reached.'
      : 'Nothing may be reached yet. Allow something: reef egress allow DOMAIN, or: reef egress preset'
  const table = formatTable(
    ['domain', 'ports', 'from'],
    egress.rules.map((rule) => [
      rule.domain,
      rule.ports.length === 0 ? '80 443' : rule.ports.join(' '),
      rule.inherited ? 'organization' : 'here',
    ]),
  )
  return egress.mode === 'open' ? `Every public address may be reached, and at other ports:\n${table}` : table
}

export function formatDenied(denied: Denied[], now: Date): string {
  return formatTable(
    ['host', 'ports', 'why', 'attempts', 'last'],
    denied.map((one) => [
      one.host || '(unreadable)',
      one.ports.join(' '),
      one.canAllow ? `${one.reason} (reef egress allow ${one.host})` : one.reason,
      String(one.attempts),
      formatAge(one.lastAt, now),
    ]),
  )
}
