import { password } from '@clack/prompts'
import type { Command } from 'commander'
import type { z } from 'zod'
import { emptySchema } from '../../http/schemas/common.ts'
import { meSchema } from '../../http/schemas/instances.ts'
import {
  type secretEventSchema,
  secretEventsSchema,
  secretSchema,
  secretsSchema,
} from '../../http/schemas/secrets.ts'
import type { ReefClient } from '../client.ts'
import { addRemoteOptions, findInstance, openClient, type RemoteOptions } from '../context.ts'
import { CliError } from '../failure.ts'
import { formatAge, formatTable, printJson } from '../output.ts'

type Secret = z.infer<typeof secretSchema>
type SecretEvent = z.infer<typeof secretEventSchema>

interface PlaceOptions extends RemoteOptions {
  instance?: string
  shared?: boolean
  session?: boolean
}

export function addSecretsCommands(program: Command): void {
  const secrets = program
    .command('secrets')
    .description(
      'Secrets of your instance, its session or the organization. A value goes in and never comes back.',
    )
    .addHelpText(
      'after',
      `
Examples:
  reef secrets set GITHUB_TOKEN < token.txt
  reef secrets list
  reef secrets audit`,
    )

  addPlaceOptions(secrets.command('set'))
    .description('Make a secret or give it a new value, read from standard input or asked for.')
    .argument('<name>', 'like an environment variable: GITHUB_TOKEN')
    .option('--expose', 'commands that the agent runs see it as an environment variable')
    .option('--hide', 'they see it no longer')
    .addHelpText('after', '\nExample:\n  pass show github | reef secrets set GITHUB_TOKEN --expose')
    .action(setSecret)

  addPlaceOptions(secrets.command('list'))
    .description('List secrets: all that reach the instance, or with --shared those of the organization.')
    .addHelpText('after', '\nExample:\n  reef secrets list --json')
    .action(listSecrets)

  addPlaceOptions(secrets.command('remove'))
    .description('Remove a secret. Running instances lose it within a second.')
    .argument('<name>', 'its name')
    .addHelpText('after', '\nExample:\n  reef secrets remove GITHUB_TOKEN')
    .action(removeSecret)

  addPlaceOptions(secrets.command('audit'))
    .description('Who changed secrets, and which machine was given which version when.')
    .addHelpText('after', '\nExample:\n  reef secrets audit')
    .action(auditSecrets)
}

function addPlaceOptions(command: Command): Command {
  return addRemoteOptions(command)
    .option('--instance <name>', 'another instance than your own')
    .option('--shared', 'of the organization, for all of its instances')
    .option('--session', 'of the open session only, and gone with it')
}

async function pathOf(client: ReefClient, options: PlaceOptions): Promise<string> {
  if (options.shared && (options.session || options.instance))
    throw new CliError('usage', '--shared is for all instances. Leave out --session and --instance.')
  if (!options.shared) return `/api/instances/${(await findInstance(client, options.instance)).id}/secrets`
  const { organization } = await client.call('/api/me', { answer: meSchema })
  return `/api/orgs/${organization.id}/secrets`
}

async function setSecret(
  name: string,
  options: PlaceOptions & { expose?: boolean; hide?: boolean },
): Promise<void> {
  const client = await openClient(options)
  const path = await pathOf(client, options)
  const body = {
    value: await readValue(name),
    ...(options.expose || options.hide ? { exposeToTools: options.expose === true } : {}),
    ...(options.session ? { scope: 'session' } : {}),
  }
  const secret = await client.call(`${path}/${encodeURIComponent(name)}`, {
    method: 'PUT',
    body,
    answer: secretSchema,
  })
  if (options.json) return printJson(secret)
  console.log(
    `${secret.name} is version ${secret.version} now${secret.exposeToTools ? ', seen by commands' : ''}.`,
  )
}

/** Never an argument: those are in the shell's history and in the process list. */
async function readValue(name: string): Promise<string> {
  if (!process.stdin.isTTY) {
    let text = ''
    for await (const chunk of process.stdin.setEncoding('utf8')) text += chunk
    // `echo` and editors end a file with a newline that nobody means.
    return text.replace(/\r?\n$/, '')
  }
  const answer = await password({ message: `Value of ${name}` })
  if (typeof answer !== 'string') throw new CliError('interrupted', 'Nothing was changed.')
  return answer
}

async function listSecrets(options: PlaceOptions): Promise<void> {
  const client = await openClient(options)
  const { secrets } = await client.call(await pathOf(client, options), { answer: secretsSchema })
  if (options.json) return printJson(secrets)
  console.log(
    secrets.length === 0
      ? 'No secrets yet. Make one: reef secrets set NAME'
      : formatSecrets(secrets, new Date()),
  )
}

function formatSecrets(secrets: Secret[], now: Date): string {
  return formatTable(
    ['name', 'scope', 'version', 'fingerprint', 'seen by commands', 'changed', 'last used'],
    secrets.map((secret) => [
      secret.name,
      secret.overridden ? `${secret.scope} (overridden)` : secret.scope,
      String(secret.version),
      secret.fingerprint,
      secret.exposeToTools ? 'yes' : 'no',
      formatAge(secret.updatedAt, now),
      formatAge(secret.lastUsedAt, now),
    ]),
  )
}

async function removeSecret(name: string, options: PlaceOptions): Promise<void> {
  const client = await openClient(options)
  const path = `${await pathOf(client, options)}/${encodeURIComponent(name)}`
  await client.call(options.session ? `${path}?scope=session` : path, {
    method: 'DELETE',
    answer: emptySchema,
  })
  if (options.json) return printJson({ name })
  console.log(`Removed ${name}.`)
}

async function auditSecrets(options: PlaceOptions): Promise<void> {
  const client = await openClient(options)
  const { events } = await client.call(`${await pathOf(client, options)}/audit`, {
    answer: secretEventsSchema,
  })
  if (options.json) return printJson(events)
  console.log(events.length === 0 ? 'Nothing was done with secrets yet.' : formatEvents(events))
}

function formatEvents(events: SecretEvent[]): string {
  return formatTable(
    ['at', 'what', 'name', 'scope', 'version', 'by or to'],
    events.map((event) => [
      event.at.slice(0, 19).replace('T', ' '),
      event.kind,
      event.name,
      event.scope,
      String(event.version),
      event.slotId ? `slot ${event.slotId}` : event.userId ? `user ${event.userId}` : '',
    ]),
  )
}
