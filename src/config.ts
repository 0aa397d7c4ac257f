import { z } from 'zod'
import { backupsSettings } from './settings/backups.ts'
import { computeSettings } from './settings/compute.ts'
import { creditsSettings } from './settings/credits.ts'
import { lifecycleSettings } from './settings/lifecycle.ts'
import { mailSettings } from './settings/mail.ts'
import { modelsSettings } from './settings/models.ts'
import { networkSettings } from './settings/network.ts'
import { storageSettings } from './settings/storage.ts'

/**
 * All configuration, read once at start from the environment. Nothing else reads process.env.
 * Every key has a default that makes `npm start` work; docs/reference/configuration.md is generated from here.
 */
const schema = z.strictObject({
  ...storageSettings,
  ...networkSettings,
  ...computeSettings,
  ...lifecycleSettings,
  ...modelsSettings,
  ...backupsSettings,
  ...mailSettings,
  ...creditsSettings,
  REEF_METRICS_TOKEN: z
    .string()
    .min(16, 'needs at least 16 characters')
    .optional()
    .describe('Bearer token for /metrics. Without it /metrics answers requests from this machine only.'),
  REEF_LOG_LEVEL: z
    .enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'])
    .default('info')
    .describe('Least level that is logged.'),
})

export type Config = z.infer<typeof schema>
export const configSchema = schema

/** Prefixes that are Reef's own: an unknown key with one of them is a misspelling and not somebody else's variable. */
const ownPrefixes = ['REEF_', 'POOL_', 'LEASE_']

/** Settings of the command line as a client (src/cli), which may be set where a control plane starts. */
const clientKeys = new Set(['REEF_URL', 'REEF_API_KEY'])

export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}

/** Reads and checks the environment. Throws a ConfigError that names every wrong key and what it should be. */
export function readConfig(environment: Record<string, string | undefined> = process.env): Config {
  const known = new Set(Object.keys(schema.shape))
  const given: Record<string, string> = {}
  const problems: string[] = []
  for (const [key, value] of Object.entries(environment)) {
    // An empty variable is how a shell says "not set".
    if (value === undefined || value === '') continue
    if (known.has(key)) given[key] = value
    else if (clientKeys.has(key) || key.startsWith('REEF_TEST_')) continue
    else if (ownPrefixes.some((prefix) => key.startsWith(prefix)))
      problems.push(`${key} is not a setting of Reef.${suggestion(key, known)}`)
  }
  const parsed = schema.safeParse(given)
  if (!parsed.success)
    for (const issue of parsed.error.issues) problems.push(`${issue.path.join('.')}: ${issue.message}`)
  if (problems.length > 0)
    throw new ConfigError(
      `The configuration is not usable:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`,
    )
  return parsed.data as Config
}

function suggestion(key: string, known: Set<string>): string {
  const nearest = [...known]
    .map((candidate) => ({ candidate, distance: editDistance(key, candidate) }))
    .sort((a, b) => a.distance - b.distance)[0]
  return nearest && nearest.distance <= 3 ? ` Did you mean ${nearest.candidate}?` : ''
}

function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const substitution = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      row[j] = Math.min(substitution, (previous[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1)
    }
    previous = row
  }
  return previous[b.length] ?? 0
}
