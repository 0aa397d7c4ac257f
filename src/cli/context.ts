import type { Command } from 'commander'
import type { z } from 'zod'
import { type instanceSchema, meSchema } from '../http/schemas/instances.ts'
import { instancesSchema } from './answers.ts'
import { createClient, type ReefClient } from './client.ts'
import { type CredentialStore, openCredentialStore } from './credentials.ts'
import { CliError } from './failure.ts'

export type Instance = z.infer<typeof instanceSchema>

const defaultUrl = 'http://127.0.0.1:7300'

/** Options that every command which talks to a Reef takes. */
export interface RemoteOptions {
  url?: string
  organization?: string
  json?: boolean
}

export function addRemoteOptions(command: Command): Command {
  return command
    .option('--url <url>', 'where Reef is (REEF_URL; default: where you logged in)')
    .option('--organization <slug>', 'act in this organization and not in your personal one')
    .option('--json', 'print JSON for other programs')
}

/** With REEF_API_KEY the key speaks, as in CI; otherwise whoever logged in on this machine. */
export async function openClient(
  options: RemoteOptions,
  environment: Record<string, string | undefined> = process.env,
  store: CredentialStore = openCredentialStore(environment),
): Promise<ReefClient> {
  return createClient({
    url: await chooseUrl(options, environment, store),
    apiKey: environment.REEF_API_KEY || undefined,
    organization: options.organization,
    store,
  })
}

/** `--url`, then REEF_URL, then where the last log-in went, then Reef on this machine. */
export async function chooseUrl(
  options: RemoteOptions,
  environment: Record<string, string | undefined>,
  store: CredentialStore,
): Promise<string> {
  const url = options.url ?? (environment.REEF_URL || (await store.find())?.url) ?? defaultUrl
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  if (!parsed || !/^https?:$/.test(parsed.protocol))
    throw new CliError('usage', `${url} is not a URL. Write it like ${defaultUrl}`)
  return parsed.origin
}

/** The instance with this slug or id; without one, the caller's own. */
export async function findInstance(client: ReefClient, name: string | undefined): Promise<Instance> {
  if (name === undefined) {
    const { instance } = await client.call('/api/me', { answer: meSchema })
    if (!instance) throw new CliError('notFound', 'You have no instance yet. Launch one: reef provision')
    return instance
  }
  const { instances } = await client.call('/api/instances', { answer: instancesSchema })
  const found = instances.find((instance) => instance.slug === name || instance.id === name)
  if (!found) {
    const names = instances.map((instance) => instance.slug).join(', ')
    throw new CliError(
      'notFound',
      `There is no instance ${name} that you can see. There is: ${names || 'none'}.`,
    )
  }
  return found
}
