import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import type { SlotLayout } from './slot-files.ts'

/**
 * What a supervisor is told from outside. A driver that shares a disk with its slots writes `control.json` into the
 * slot's directory; a container gets the same facts as environment variables. The file wins where both name something,
 * and it is read again before every dial, so a control plane that came back on another port is found.
 */
export interface SupervisorEnvironment {
  /** Holds everything that belongs to this slot: OpenClaw's state, its configuration and the supervisor's own files. */
  readonly slotDirectory: string
  readonly slotLayout: SlotLayout
  /** Where the supervisor's port listens; 0 lets the system choose, and `port` in the log says which. */
  readonly host: string
  readonly port: number
  /** All that OpenClaw gets to see of this process's environment. */
  readonly openclawVariables: Readonly<Record<string, string>>
  /** Throws with a readable message when neither the file nor the variables say how to reach the control plane. */
  readControl(): Control
}

export interface Control {
  readonly slotId: string
  readonly linkUrl: string
  readonly bootstrapToken: string | null
}

const linkUrlSchema = z.url({ protocol: /^wss?$/, error: 'must be a ws:// or wss:// URL' })

const controlFileSchema = z.object({
  slotId: z.string().min(1),
  linkUrl: linkUrlSchema,
  bootstrapToken: z.string().nullable(),
  port: z.number().int().min(0).max(65_535).optional(),
})

const variablesSchema = z.object({
  REEF_SLOT_DIR: z.string().startsWith('/', { error: 'must be an absolute path' }),
  REEF_SLOT_LAYOUT: z.enum(['flat', 'home']).default('flat'),
  REEF_SLOT_ID: z.string().min(1).optional(),
  REEF_LINK_URL: linkUrlSchema.optional(),
  REEF_BOOTSTRAP_TOKEN: z.string().min(1).optional(),
  REEF_SUPERVISOR_HOST: z.string().default('127.0.0.1'),
  REEF_SUPERVISOR_PORT: z.coerce.number().int().min(0).max(65_535).default(0),
  /** For a lean profile, e.g. `--max-old-space-size=512 --max-semi-space-size=4`. */
  REEF_OPENCLAW_NODE_OPTIONS: z.string().optional(),
})

export function readEnvironment(source: NodeJS.ProcessEnv = process.env): SupervisorEnvironment {
  const parsed = variablesSchema.safeParse(source)
  if (!parsed.success)
    throw new Error(`The supervisor's environment is wrong: ${z.prettifyError(parsed.error)}`)
  const variables = parsed.data
  const path = join(variables.REEF_SLOT_DIR, 'control.json')

  return {
    slotDirectory: variables.REEF_SLOT_DIR,
    slotLayout: variables.REEF_SLOT_LAYOUT,
    host: variables.REEF_SUPERVISOR_HOST,
    port: readControlFile(path)?.port ?? variables.REEF_SUPERVISOR_PORT,
    openclawVariables: pickVariables(source, variables.REEF_OPENCLAW_NODE_OPTIONS),
    readControl: () => {
      const file = readControlFile(path)
      const slotId = file?.slotId ?? variables.REEF_SLOT_ID
      const linkUrl = file?.linkUrl ?? variables.REEF_LINK_URL
      if (slotId === undefined || linkUrl === undefined) {
        throw new Error(`Neither ${path} nor REEF_SLOT_ID and REEF_LINK_URL say where the control plane is.`)
      }
      return {
        slotId,
        linkUrl,
        bootstrapToken: file ? file.bootstrapToken : (variables.REEF_BOOTSTRAP_TOKEN ?? null),
      }
    },
  }
}

function readControlFile(path: string): z.infer<typeof controlFileSchema> | undefined {
  if (!existsSync(path)) return undefined
  const parsed = controlFileSchema.safeParse(JSON.parse(readFileSync(path, 'utf8')))
  if (!parsed.success) throw new Error(`${path} is wrong: ${z.prettifyError(parsed.error)}`)
  return parsed.data
}

/** Locale, network and certificates of the machine, and nothing that could be a secret of the control plane's. */
const passedOn = [
  'PATH',
  'LANG',
  'LC_ALL',
  'TZ',
  'HTTP_PROXY',
  'HTTPS_PROXY',
  'NO_PROXY',
  'http_proxy',
  'https_proxy',
  'no_proxy',
  'NODE_USE_ENV_PROXY',
  'NODE_EXTRA_CA_CERTS',
  'SSL_CERT_FILE',
]

function pickVariables(source: NodeJS.ProcessEnv, nodeOptions: string | undefined): Record<string, string> {
  const picked: Record<string, string> = {}
  for (const name of passedOn) {
    const value = source[name]
    if (value !== undefined) picked[name] = value
  }
  if (nodeOptions !== undefined) picked.NODE_OPTIONS = nodeOptions
  return picked
}
