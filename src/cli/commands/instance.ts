import { confirm, isCancel } from '@clack/prompts'
import type { Command } from 'commander'
import { emptySchema } from '../../http/schemas/common.ts'
import { instanceSchema, meSchema, visitSchema } from '../../http/schemas/instances.ts'
import { addRemoteOptions, findInstance, type Instance, openClient, type RemoteOptions } from '../context.ts'
import { CliError } from '../failure.ts'
import { waitForInstance } from '../launch.ts'
import { formatAge, formatBytes, formatFields, printJson } from '../output.ts'
import { createStepDisplay } from '../steps.ts'

interface InstanceOptions extends RemoteOptions {
  instance?: string
  wait?: boolean
}

export function addInstanceCommands(program: Command): void {
  addRemoteOptions(program.command('provision'))
    .description('Launch your own OpenClaw, or show that it runs.')
    .option('--name <name>', 'what to call it')
    .option('--no-wait', 'return as soon as it is asked for')
    .addHelpText('after', '\nExamples:\n  reef provision\n  reef provision --name workshop --json')
    .action(provision)

  addRemoteOptions(program.command('status'))
    .description('Show the state of your instance, and why it is in it.')
    .option('--instance <slug>', 'another instance of the organization')
    .addHelpText('after', '\nExamples:\n  reef status\n  reef status --json | jq -r .status')
    .action(showStatus)

  for (const { name, action, description, wanted } of changes)
    addRemoteOptions(program.command(name))
      .description(description)
      .option('--instance <slug>', 'another instance of the organization')
      .option('--no-wait', 'return as soon as it is asked for')
      .addHelpText('after', `\nExample:\n  reef ${name}`)
      .action((options: InstanceOptions) => change(options, action, wanted))

  addRemoteOptions(program.command('deprovision'))
    .description('Delete your instance with all that is in it. This cannot be undone.')
    .option('--yes', 'do not ask')
    .addHelpText('after', '\nExample:\n  reef deprovision --yes')
    .action(deprovision)

  addRemoteOptions(program.command('open'))
    .description(
      'Print a link that opens the Control UI of your instance, signed in. Good once, for a minute.',
    )
    .option('--instance <slug>', 'another instance of the organization')
    .addHelpText('after', '\nExample:\n  xdg-open "$(reef open)"')
    .action(printVisit)
}

const changes = [
  {
    name: 'start',
    action: 'start',
    wanted: 'running',
    description: 'Start your stopped instance, or wake one that sleeps.',
  },
  {
    name: 'suspend',
    action: 'suspend',
    wanted: 'suspended',
    description: 'Let your instance sleep until somebody needs it; any use of it wakes it.',
  },
  {
    name: 'stop',
    action: 'stop',
    wanted: 'stopped',
    description: 'Stop your instance. It keeps its state and stays stopped until you start it.',
  },
  {
    name: 'restart',
    action: 'restart',
    wanted: 'running',
    description: 'Restart OpenClaw in your instance. Conversations are kept.',
  },
] as const

async function provision(options: InstanceOptions & { name?: string }): Promise<void> {
  const client = await openClient(options)
  const body = options.name ? { name: options.name } : {}
  const asked = await client.call('/api/provision', { method: 'POST', body, answer: instanceSchema })
  await waitAndPrint(client, asked, 'running', options)
}

async function change(options: InstanceOptions, action: string, wanted: Instance['status']): Promise<void> {
  const client = await openClient(options)
  const { id } = await findInstance(client, options.instance)
  const asked = await client.call(`/api/instances/${id}/${action}`, {
    method: 'POST',
    answer: instanceSchema,
  })
  await waitAndPrint(client, asked, wanted, options)
}

async function waitAndPrint(
  client: Awaited<ReturnType<typeof openClient>>,
  asked: Instance,
  wanted: Instance['status'],
  options: InstanceOptions,
): Promise<void> {
  const display = options.json ? undefined : createStepDisplay(process.stderr)
  const instance = options.wait === false ? asked : await waitForInstance(client, asked, wanted, display)
  if (options.json) return printJson(instance)
  console.log(`${instance.slug} is ${instance.status}: ${instance.url}`)
}

async function showStatus(options: InstanceOptions): Promise<void> {
  const client = await openClient(options)
  if (options.instance) {
    const instance = await findInstance(client, options.instance)
    return options.json ? printJson(instance) : console.log(formatInstance(instance, new Date()))
  }
  const me = await client.call('/api/me', { answer: meSchema })
  if (options.json) return printJson(me.instance ?? { status: me.status })
  console.log(
    me.instance
      ? formatInstance(me.instance, new Date())
      : 'You have no instance yet. Launch one: reef provision',
  )
}

export function formatInstance(instance: Instance, now: Date): string {
  const fields: [string, string][] = [
    ['Instance', instance.name === instance.slug ? instance.slug : `${instance.name} (${instance.slug})`],
    ['Status', instance.reason ? `${instance.status}: ${instance.reason.message}` : instance.status],
    ...(instance.sleep ? [['Sleeps', formatSleep(instance.sleep, now)] as [string, string]] : []),
    ['Address', instance.url],
    ['Driver', instance.isolation === 'none' ? `${instance.driver} (isolates nothing)` : instance.driver],
  ]
  if (instance.openclawVersion) fields.push(['OpenClaw', instance.openclawVersion])
  if (instance.memoryBytes !== null) fields.push(['Memory', formatBytes(instance.memoryBytes)])
  if (instance.cpuPercent !== null) fields.push(['CPU', `${instance.cpuPercent.toFixed(0)} % of one core`])
  if (instance.runningSince) fields.push(['Running since', formatAge(instance.runningSince, now)])
  fields.push(['You can', instance.actions.join(', ') || 'wait'])
  return formatFields(fields)
}

function formatSleep(sleep: NonNullable<Instance['sleep']>, now: Date): string {
  const since = `${sleep.rung.replaceAll('_', ' ')} since ${formatAge(sleep.since, now)}`
  return sleep.wakesAt ? `${since}, wakes by itself at ${sleep.wakesAt}` : since
}

async function deprovision(options: RemoteOptions & { yes?: boolean }): Promise<void> {
  const client = await openClient(options)
  const instance = await findInstance(client, undefined)
  if (!options.yes) {
    if (!process.stdin.isTTY) throw new CliError('usage', 'There is no terminal to ask on. Give --yes.')
    const sure = await confirm({
      message: `Delete ${instance.slug} and all that is in it?`,
      initialValue: false,
    })
    if (isCancel(sure) || !sure) throw new CliError('interrupted', 'Nothing was deleted.')
  }
  await client.call('/api/deprovision', { method: 'DELETE', answer: emptySchema })
  if (options.json) return printJson({ id: instance.id })
  console.log(`${instance.slug} is being deleted.`)
}

async function printVisit(options: InstanceOptions): Promise<void> {
  const client = await openClient(options)
  const { id } = await findInstance(client, options.instance)
  const visit = await client.call(`/api/instances/${id}/visit`, { method: 'POST', answer: visitSchema })
  if (options.json) return printJson(visit)
  console.log(visit.url)
}
