import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { parseIdleTime } from './domain/instances/idle-plans.ts'
import { isCurrency, parsePacks } from './domain/payments/packs.ts'
import { isNetwork } from './fronts.ts'

/**
 * All configuration, read once at start from the environment. Nothing else reads process.env.
 * Every key has a default that makes `npm start` work; docs/reference/configuration.md is generated from here.
 */
const schema = z.strictObject({
  REEF_DATA_DIR: z
    .string()
    .default(fileURLToPath(new URL('../.reef', import.meta.url)))
    .transform((path) => resolve(path))
    .describe('Directory for the private database, the root secret and the process driver’s instances.'),
  DATABASE_URL: z
    .url({ protocol: /^postgres(ql)?$/, error: 'is not a postgres:// URL' })
    .optional()
    .describe(
      'PostgreSQL 15 or newer, as its owner (needs CREATEROLE). Without it Reef runs a private PostgreSQL.',
    ),
  REEF_SECRET: z
    .string()
    .min(32, 'needs at least 32 characters; `openssl rand -base64 32` makes one')
    .optional()
    .describe(
      'Root secret. Every control plane on one database needs the same. Without it: secret.key in the data directory.',
    ),
  REEF_SECRETS_KEY_FILE: z
    .string()
    .optional()
    .describe(
      'File of the keys that encrypt people’s secrets: 64 hexadecimal digits per line, the newest first. Without it: a key from the root secret.',
    ),
  REEF_HOST: z.string().default('127.0.0.1').describe('Address to listen on.'),
  REEF_PORT: port()
    .optional()
    .describe('Port of dashboard and API. Default 7300, or a free one if that is taken.'),
  REEF_PROXY_PORT: port()
    .optional()
    .describe('Port of the proxy to the instances. Default 7301, or a free one if that is taken.'),
  REEF_PUBLIC_URL: z
    .url()
    .optional()
    .describe('Where people reach the dashboard, if not at the listening address.'),
  REEF_PROXY_PUBLIC_URL: z
    .url()
    .optional()
    .describe('Where people reach the proxy, if not at the listening address.'),
  REEF_INTERNAL_URL: z
    .url()
    .optional()
    .describe('Where instances and other control planes reach this one, if not at the listening address.'),
  REEF_DOMAIN: z
    .string()
    .default('localhost')
    .describe('Instances answer at SLUG.DOMAIN. With localhost nothing needs to be set up.'),
  REEF_INGRESS: z
    .enum(['none', 'caddy'])
    .default('none')
    .describe('`caddy`: `reef up` runs Caddy in front of Reef, and people reach everything by https.'),
  REEF_INGRESS_HTTP_PORT: port().default(80).describe('Port on which the ingress redirects to https.'),
  REEF_INGRESS_HTTPS_PORT: port().default(443).describe('Port of the ingress, TCP and UDP (HTTP/3).'),
  REEF_INGRESS_HOST: z
    .string()
    .optional()
    .describe(
      'Address that the ingress listens on. Default: all; with REEF_DOMAIN=localhost this machine only.',
    ),
  REEF_INGRESS_TLS: z
    .string()
    .regex(/^(internal|acme|[^:]+:[^:]+)$/, 'is internal, acme or CERTIFICATE.pem:KEY.pem')
    .optional()
    .describe(
      'Where certificates come from: `internal` (Caddy’s own authority), `acme` (Let’s Encrypt) or CERTIFICATE.pem:KEY.pem for DOMAIN and *.DOMAIN. Default: acme, or internal for names that are not public.',
    ),
  REEF_ACME_EMAIL: z.email().optional().describe('Address that the certificate authority may write to.'),
  REEF_INGRESS_TOKEN: z
    .string()
    .regex(/^[A-Za-z0-9_-]{32,128}$/, 'needs 32 to 128 letters, digits, _ or -')
    .optional()
    .describe('Shared with a Caddy that you run yourself (deploy/caddy). Default: from the root secret.'),
  REEF_TRUSTED_PROXIES: commaSeparated()
    .refine((networks) => networks.every(isNetwork), 'is a list of addresses and networks like 10.0.0.0/8')
    .describe(
      'Reverse proxies of your own in front of Reef, comma-separated addresses or networks: their X-Forwarded-For is believed, nobody else’s.',
    ),
  REEF_DRIVER: z
    .enum(['process', 'docker', 'fake'])
    .default('process')
    .describe('Compute driver for new instances.'),
  REEF_DOCKER_HOSTS: z
    .string()
    .default('local=unix:///var/run/docker.sock')
    .describe(
      'Docker hosts, comma-separated: NAME=unix:///PATH or NAME=tcp://HOST:PORT[?gate=ADDRESS:PORT], over TLS.',
    ),
  REEF_DOCKER_CERTS: z
    .string()
    .optional()
    .describe('Directory with ca.pem, cert.pem and key.pem for remote Docker hosts, or a folder per host.'),
  REEF_DOCKER_IMAGE: z
    .string()
    .default('reef-instance:local')
    .describe('Image of instances; `npm run image` builds it.'),
  REEF_DOCKER_GATE_IMAGE: z
    .string()
    .default('reef-gate:local')
    .describe('Image of the gate, one container per Docker host; `npm run image` builds it.'),
  REEF_DOCKER_NETWORK: z
    .string()
    .default('10.213.0.0/16')
    .describe('Addresses for the instances’ networks, 16 for each; nothing else of the host may use them.'),
  REEF_DOCKER_PLAN: z
    .enum(['standard', 'lean'])
    .default('standard')
    .describe('Limits of an instance: standard 2048 MiB, 2 CPUs, 512 processes; lean 1280 MiB, 1 CPU, 256.'),
  REEF_DOCKER_MEMORY_MEBIBYTES: z.coerce
    .number()
    .int()
    .min(1024)
    .optional()
    .describe('Memory of an instance, if not the plan’s.'),
  REEF_DOCKER_CPUS: z.coerce
    .number()
    .min(0.25)
    .optional()
    .describe('CPUs of an instance, if not the plan’s.'),
  REEF_DOCKER_PIDS: z.coerce
    .number()
    .int()
    .min(128)
    .optional()
    .describe('Processes of an instance, if not the plan’s.'),
  REEF_DOCKER_DISK_GIBIBYTES: z.coerce
    .number()
    .min(0)
    .default(10)
    .describe(
      'Disk that an instance’s volume may take up before the instance is stopped (0: no limit of Reef’s own).',
    ),
  REEF_EGRESS_OPEN: flag('0').describe(
    'Whether organizations may let instances reach every public address instead of listed domains (1: they may).',
  ),
  REEF_PROCESS_DRIVER_MULTI_USER: z
    .enum(['no', 'i-understand-it-isolates-nothing'])
    .default('no')
    .describe(
      'The process driver isolates nothing, so it serves one person only unless this opts in by name.',
    ),
  POOL_SIZE: z.coerce
    .number()
    .int()
    .min(0)
    .max(1000)
    .default(1)
    .describe('Slots kept booted for the next person.'),
  REEF_UPGRADE_PATIENCE_SECONDS: z.coerce
    .number()
    .int()
    .min(10)
    .max(3600)
    .default(180)
    .describe('An upgraded instance that does not answer within this goes back to what it was by itself.'),
  REEF_IDLE_SUSPEND: idle('Suspends an instance that nobody has used for this long. Default 2m'),
  REEF_IDLE_FREEZE: idle('Moves a suspended instance’s memory out of RAM. Default 10m'),
  REEF_IDLE_DISK: idle('Moves that memory on to disk, where the host can. Default 2h'),
  REEF_IDLE_STOP: idle(
    'Stops an instance that nobody has used for this long; it wakes by a boot. Default 3d',
  ),
  REEF_IDLE_ARCHIVE: idle('Removes its machine and keeps its backup, where there is one. Default 30d'),
  REEF_IDLE_DELETE: idle('Deletes it for good. Default off'),
  REEF_LOCAL_OPENCLAW: z
    .url()
    .optional()
    .describe(
      'An OpenClaw that already runs, for example http://127.0.0.1:18789: used instead of instances.',
    ),
  REEF_LOCAL_OPENCLAW_TOKEN: z.string().optional().describe('Gateway token of REEF_LOCAL_OPENCLAW.'),
  REEF_STOP_INSTANCES_ON_EXIT: flag('1').describe(
    'With the private database: stop instances when Reef is told to stop (0: leave them running and adopt them at the next start).',
  ),
  LEASE_SECONDS: z.coerce
    .number()
    .int()
    .min(10)
    .max(86_400)
    .default(900)
    .describe('An instance that cannot reach a control plane for this long stops itself.'),
  OPENAI_API_KEY: z.string().min(1).optional().describe('Turns on the provider openai.'),
  OPENAI_BASE_URL: z.url().default('https://api.openai.com/v1').describe('Any OpenAI-compatible endpoint.'),
  ANTHROPIC_API_KEY: z.string().min(1).optional().describe('Turns on the provider anthropic.'),
  ANTHROPIC_BASE_URL: z
    .url()
    .default('https://api.anthropic.com')
    .describe('Anthropic’s API or a compatible one.'),
  REEF_MODEL: z
    .string()
    .regex(/^[a-z0-9-]+\/.+$/, 'is PROVIDER/MODEL, for example openai/gpt-5.2')
    .optional()
    .describe(
      'Model that instances use. Default: the first of the first provider with a key, else demo/reef-demo.',
    ),
  REEF_MODELS: z
    .string()
    .optional()
    .describe('Models offered beside REEF_MODEL, comma-separated, each PROVIDER/MODEL.'),
  REEF_BACKUP_DIR: z
    .string()
    .optional()
    .describe('Directory for backups on this machine. Default: backups in the data directory.'),
  REEF_BACKUP_AT: z
    .string()
    .regex(/^(never|([01]\d|2[0-3]):[0-5]\d)$/, 'is HH:MM in UTC, or never')
    .default('03:00')
    .describe('When instances that changed are backed up each day, HH:MM in UTC, or never.'),
  REEF_BACKUP_JITTER_MINUTES: z.coerce
    .number()
    .int()
    .min(0)
    .max(720)
    .default(60)
    .describe('Daily backups are spread over so many minutes, so that not all are taken at once.'),
  REEF_BACKUP_CHECKPOINTS: flag('1').describe(
    'Save what changed after each turn, so that an instance that dies loses at most the turn in flight (0: only backups).',
  ),
  REEF_BACKUP_DRAIN_SECONDS: z.coerce
    .number()
    .min(0)
    .max(600)
    .default(10)
    .describe('How long a backup waits for turns in flight; it is consistent in any case.'),
  REEF_BACKUP_LOCAL_DAYS: z.coerce
    .number()
    .min(1)
    .default(7)
    .describe('How long backups stay on this machine.'),
  REEF_BACKUP_REMOTE_DAYS: z.coerce
    .number()
    .min(1)
    .default(30)
    .describe('How long backups stay in the bucket; on this machine if there is no bucket.'),
  REEF_BACKUP_DRILL_DAYS: z.coerce
    .number()
    .min(0)
    .default(7)
    .describe('How often the newest backup of each instance is restored on trial, in days (0: never).'),
  REEF_BACKUP_GIBIBYTES_MAX: z.coerce
    .number()
    .positive()
    .default(50)
    .describe('Largest backup of an instance, compressed, that is kept.'),
  REEF_BACKUP_S3_BUCKET: z
    .string()
    .optional()
    .describe('Bucket for a second copy of every backup: AWS, MinIO, R2, or Google by its XML API.'),
  REEF_BACKUP_S3_PREFIX: z
    .string()
    .default('reef')
    .transform((prefix) => prefix.replace(/^\/+|\/+$/g, ''))
    .describe('Folder in the bucket.'),
  REEF_BACKUP_S3_REGION: z.string().default('us-east-1').describe('Region of the bucket; `auto` for R2.'),
  REEF_BACKUP_S3_ENDPOINT: z.url().optional().describe('Where the bucket is, if not at AWS.'),
  REEF_BACKUP_S3_ACCESS_KEY_ID: z
    .string()
    .optional()
    .describe('Key for the bucket. Default: what the machine or its environment offers.'),
  REEF_BACKUP_S3_SECRET_ACCESS_KEY: z
    .string()
    .optional()
    .describe('Belongs to REEF_BACKUP_S3_ACCESS_KEY_ID.'),
  REEF_SMTP_URL: z
    .url({ protocol: /^smtps?$/, error: 'is not an smtp:// or smtps:// URL' })
    .optional()
    .describe(
      'Mail server, smtp[s]://[USER:PASSWORD@]HOST[:PORT]. Without it no mail is sent and no address has to be confirmed.',
    ),
  REEF_MAIL_FROM: z
    .string()
    .min(3)
    .optional()
    .describe('Sender of mails, an address or `Name <address>`. Default: reef@ the value of REEF_DOMAIN.'),
  REEF_TRIAL_CREDITS: z.coerce
    .number()
    .int()
    .min(0)
    .max(1_000_000)
    .default(500)
    .describe('Credits that a new person’s organization begins with, once (0: none).'),
  REEF_WEBHOOK_PRIVATE_NETWORKS: commaSeparated()
    .refine(
      (networks) => networks.every((network) => network.includes('/') && isNetwork(network)),
      'is a list of networks like 10.0.0.0/8',
    )
    .describe(
      'Networks that are not public and that alert webhooks may post to all the same, also without TLS. Default: none.',
    ),
  STRIPE_SECRET_KEY: z
    .string()
    .regex(/^[sr]k_(test|live)_\S+$/, 'is a secret or restricted key of Stripe’s: sk_... or rk_...')
    .optional()
    .describe('Turns on selling credits with Stripe. With a test key the money is pretended.'),
  STRIPE_WEBHOOK_SECRET: z
    .string()
    .default('')
    .transform((text) => text.split(',').flatMap((part) => part.trim() || []))
    .refine((secrets) => secrets.every((secret) => /^whsec_\S+$/.test(secret)), 'begins with whsec_')
    .describe(
      'Signing secret of the webhook endpoint at Stripe; two, comma-separated, while one replaces the other.',
    ),
  STRIPE_API_BASE: z
    .url()
    .default('https://api.stripe.com')
    .describe('Where Stripe’s API is. For tests only.'),
  REEF_CREDIT_PACKS: z
    .string()
    .default('500=5,1000=10,5000=50,10000=100')
    .refine(
      (text) => parsePacks(text) !== undefined,
      'is a list of CREDITS=PRICE, for example 500=5,1000=9.50',
    )
    .transform((text) => parsePacks(text) ?? [])
    .describe('Packs of credits that are sold, comma-separated: CREDITS=PRICE, the price with a dot.'),
  REEF_CREDIT_CURRENCY: z
    .string()
    .toLowerCase()
    .refine(isCurrency, 'is a currency with hundredths, for example usd')
    .default('usd')
    .describe('Currency of those prices (ISO 4217), one with hundredths.'),
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

/** Several, with commas between them; none by default. */
function commaSeparated() {
  return z
    .string()
    .default('')
    .transform((text) =>
      text
        .split(',')
        .map((part) => part.trim())
        .filter((part) => part !== ''),
    )
}

function port() {
  return z.coerce.number().int().min(1).max(65_535)
}

/** Seconds, or null for never; absent: as the plan says. */
function idle(what: string) {
  return z
    .string()
    .refine((text) => parseIdleTime(text) !== undefined, 'is a time like 90s, 2m, 3h or 30d, or off')
    .transform((text) => parseIdleTime(text) ?? null)
    .optional()
    .describe(`${what}; a time like 90s, 2m, 3h, 30d, or off.`)
}

function flag(standard: '0' | '1') {
  return z
    .enum(['0', '1'], 'is 0 or 1')
    .default(standard)
    .transform((text) => text === '1')
}

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
