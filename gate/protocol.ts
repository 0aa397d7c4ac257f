import { createHmac } from 'node:crypto'
import { z } from 'zod'

/**
 * What a gate and its control plane say to each other. Both ends import this file.
 *
 * The gate dials `/gate` at the control plane with its token (`Authorization: Bearer`) and its host's name in
 * `gateHostHeader`. It is sent `policy` at once and whenever something in it changes: the whole truth each time, never a
 * difference, so that a lost one does no harm; the gate answers `applied`. It sends `report` now and then: counts since the last one.
 */
export const gateProtocolVersion = 1

/** The gate's listeners, and the port of the supervisor behind it. */
export const gatePorts = { relay: 7300, egress: 3128, inbound: 7400, supervisor: 7401 } as const

/** Name of the gate's host, percent-encoded. */
export const gateHostHeader = 'x-reef-gate-host'
export const gateVersionHeader = 'x-reef-gate-version'

/** Largest message that either side accepts, in bytes: the policy of some thousand slots. */
export const gateMessageBytesMax = 16 * 1024 * 1024

/** Ports of a rule that names none. */
export const webPorts: readonly number[] = [80, 443]

const egressRuleSchema = z.object({
  /** An exact name or `*.` and a name, which stands for everything below it; lower case, without a dot at its end. */
  domain: z.string(),
  ports: z.array(z.number().int().min(1).max(65_535)),
})

const egressSchema = z.object({
  /** `none`: nothing, as for a slot that nobody owns yet. `open`: any public address, at the web's ports or listed ones. */
  mode: z.enum(['none', 'allow_list', 'open']),
  rules: z.array(egressRuleSchema),
})
export type Egress = z.infer<typeof egressSchema>

const policySlotSchema = z.object({
  slotId: z.string(),
  /** The gate's own address in the slot's network: what it knows the slot by. */
  gateAddress: z.ipv4(),
  instanceAddress: z.ipv4(),
  egress: egressSchema,
})
export type PolicySlot = z.infer<typeof policySlotSchema>

export const policySchema = z.object({ slots: z.array(policySlotSchema) })
export type Policy = z.infer<typeof policySchema>

export const toGateSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('policy'), sequence: z.number().int(), policy: policySchema }),
])
export type ToGate = z.infer<typeof toGateSchema>

export const deniedReasons = [
  'not_listed',
  'port',
  'no_egress',
  'address',
  'malformed',
  'private_address',
  'server_name',
] as const
export type DeniedReason = (typeof deniedReasons)[number]

export const fromGateSchema = z.discriminatedUnion('type', [
  /** The policy with this sequence is in force, and what it no longer allows is closed. */
  z.object({ type: z.literal('applied'), sequence: z.number().int() }),
  z.object({
    type: z.literal('report'),
    denied: z.array(
      z.object({
        slotId: z.string().max(100),
        host: z.string().max(255),
        port: z.number().int().min(0).max(65_535),
        reason: z.enum(deniedReasons),
        attempts: z.number().int().min(1),
      }),
    ),
    /** Bytes through the egress proxy since the last report, as the instance sees them. */
    traffic: z.array(
      z.object({
        slotId: z.string().max(100),
        sentBytes: z.number().int().min(0),
        receivedBytes: z.number().int().min(0),
      }),
    ),
  }),
])
export type FromGate = z.infer<typeof fromGateSchema>
export type Report = Extract<FromGate, { type: 'report' }>

/** The first word on an inbound connection that is not TLS. */
export const preambleWord = 'REEF-GATE/1'
/**
 * What the gate answers once the slot's supervisor has taken the connection; until then it only ever closes. So a
 * dial that failed behind the gate is still known to be a failed dial, of which nobody has read a byte.
 */
export const inboundReady = '\n'
/** TLS 1.2 with a shared key: forward secrecy and no certificates to keep. */
export const inboundCiphers = 'ECDHE-PSK-CHACHA20-POLY1305:ECDHE-PSK-AES256-CBC-SHA384'

/** Opens an inbound connection to one slot and no other; from the gate's own token. */
export function inboundToken(gateToken: string, slotId: string): string {
  return createHmac('sha256', gateToken).update(`inbound token ${slotId}`).digest('base64url')
}

/** The shared key of an inbound connection over TLS; its identity is the slot's id. */
export function inboundKey(gateToken: string, slotId: string): Buffer {
  return createHmac('sha256', gateToken).update(`inbound key ${slotId}`).digest()
}
