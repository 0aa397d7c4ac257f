import { readFileSync } from 'node:fs'
import { z } from 'zod'

/** What a gate is told from outside. */
export interface GateEnvironment {
  /** Name of its host, as the control plane knows it. */
  hostName: string
  /** Where the control plane answers: http:// or https://. */
  controlUrl: string
  token: string
  /** Address of the inbound listener; without it, the address on the network that has a way out. */
  inboundAddress: string | undefined
  /** Ranges that instances may reach although they are not public. For tests and for an operator's own services. */
  privateAllowed: readonly string[]
  /** Names that are not asked of DNS, in the format of /etc/hosts; read at each use. */
  hostsFile: string | undefined
}

const variablesSchema = z.object({
  REEF_GATE_HOST: z.string().min(1),
  REEF_GATE_CONTROL_URL: z.url({ protocol: /^https?$/, error: 'must be an http:// or https:// URL' }),
  REEF_GATE_TOKEN_FILE: z.string().startsWith('/', { error: 'must be an absolute path' }),
  REEF_GATE_INBOUND_ADDRESS: z.ipv4().optional(),
  REEF_GATE_PRIVATE_ALLOWED: z.string().default(''),
  REEF_GATE_HOSTS_FILE: z.string().startsWith('/').optional(),
})

export function readEnvironment(source: NodeJS.ProcessEnv = process.env): GateEnvironment {
  const parsed = variablesSchema.safeParse(source)
  if (!parsed.success) throw new Error(`The gate's environment is wrong: ${z.prettifyError(parsed.error)}`)
  const variables = parsed.data
  return {
    hostName: variables.REEF_GATE_HOST,
    controlUrl: variables.REEF_GATE_CONTROL_URL,
    token: readFileSync(variables.REEF_GATE_TOKEN_FILE, 'utf8').trim(),
    inboundAddress: variables.REEF_GATE_INBOUND_ADDRESS,
    privateAllowed: variables.REEF_GATE_PRIVATE_ALLOWED.split(',')
      .map((range) => range.trim())
      .filter((range) => range !== ''),
    hostsFile: variables.REEF_GATE_HOSTS_FILE,
  }
}
