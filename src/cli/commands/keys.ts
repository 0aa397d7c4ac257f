import type { Command } from 'commander'
import type { z } from 'zod'
import { type apiKeySchema, newApiKeySchema } from '../../http/schemas/accounts.ts'
import { emptySchema } from '../../http/schemas/common.ts'
import { apiKeysSchema } from '../answers.ts'
import { addRemoteOptions, openClient, type RemoteOptions } from '../context.ts'
import { CliError } from '../failure.ts'
import { formatAge, formatTable, printJson } from '../output.ts'

type ApiKey = z.infer<typeof apiKeySchema>

export function addKeysCommands(program: Command): void {
  const keys = program
    .command('keys')
    .description('API keys: for programs that talk to your instance or to Reef.')
    .addHelpText(
      'after',
      `
Examples:
  reef keys list
  reef keys create laptop --scope chat
  reef keys revoke laptop`,
    )

  addRemoteOptions(keys.command('list'))
    .description('List the keys of the organization.')
    .addHelpText('after', '\nExample:\n  reef keys list --json')
    .action(listKeys)

  addRemoteOptions(keys.command('create'))
    .description('Make a key. It is shown this once.')
    .argument('<name>', 'what it is for')
    .option('--scope <scope...>', 'what it may do (default: instances:read and chat)')
    .option('--expires-in-days <days>', 'when it stops working (default: never)')
    .addHelpText('after', '\nExample:\n  reef keys create ci --scope chat --expires-in-days 90')
    .action(createKey)

  addRemoteOptions(keys.command('revoke'))
    .description('Revoke a key by its name or id. Whatever uses it stops working within a second.')
    .argument('<key>', 'name or id')
    .addHelpText('after', '\nExample:\n  reef keys revoke ci')
    .action(revokeKey)
}

async function listKeys(options: RemoteOptions): Promise<void> {
  const client = await openClient(options)
  const { apiKeys } = await client.call('/api/api-keys', { answer: apiKeysSchema })
  if (options.json) return printJson(apiKeys)
  console.log(
    apiKeys.length === 0 ? 'No keys yet. Make one: reef keys create NAME' : formatKeys(apiKeys, new Date()),
  )
}

export function formatKeys(keys: ApiKey[], now: Date): string {
  return formatTable(
    ['name', 'key', 'scopes', 'last used', 'expires'],
    keys.map((key) => [
      key.name,
      key.hint,
      key.scopes.join(' '),
      formatAge(key.lastUsedAt, now),
      key.expiresAt?.slice(0, 10) ?? 'never',
    ]),
  )
}

async function createKey(
  name: string,
  options: RemoteOptions & { scope?: string[]; expiresInDays?: string },
): Promise<void> {
  const client = await openClient(options)
  const body = {
    name,
    ...(options.scope ? { scopes: options.scope } : {}),
    ...(options.expiresInDays ? { expiresInDays: Number(options.expiresInDays) } : {}),
  }
  const key = await client.call('/api/api-keys', { method: 'POST', body, answer: newApiKeySchema })
  if (options.json) return printJson(key)
  // The key alone goes to standard output, so that `KEY=$(reef keys create ci)` works.
  console.error(`Key ${key.name}, for ${key.scopes.join(', ')}. Keep it now; it is not shown again.`)
  console.log(key.key)
}

async function revokeKey(nameOrId: string, options: RemoteOptions): Promise<void> {
  const client = await openClient(options)
  const { apiKeys } = await client.call('/api/api-keys', { answer: apiKeysSchema })
  const matching = apiKeys.filter((key) => key.id === nameOrId || key.name === nameOrId)
  const [key, another] = matching
  if (!key) throw new CliError('notFound', `There is no key ${nameOrId}. See: reef keys list`)
  if (another)
    throw new CliError(
      'usage',
      `${matching.length} keys are called ${nameOrId}. Give the id of one: ${matching.map(({ id }) => id).join(', ')}`,
    )
  await client.call(`/api/api-keys/${key.id}`, { method: 'DELETE', answer: emptySchema })
  if (options.json) return printJson({ id: key.id })
  console.log(`Revoked ${key.name}.`)
}
