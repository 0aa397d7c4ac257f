import { z } from 'zod'

/**
 * The link: JSON messages over the WebSocket that a supervisor opens to `/link` and keeps open. Both ends import this
 * file. A change that an older end cannot read raises `protocolVersion`; added optional fields do not.
 *
 * Order: `hello` -> `welcome` (or `refused`, then close). From then on the supervisor sends `status` when it changes,
 * `heartbeat` every `heartbeatSeconds` (answered by `lease`) and `logs`; the control plane sends `desired` whenever
 * what it wants changes. `desired` is the whole truth each time, never a difference, so a lost one does no harm.
 * What is done once goes as `call`, answered by `result`: lost with the connection, so whoever calls may call again.
 */
export const protocolVersion = 1

/** Largest message either side accepts, in bytes. */
export const linkMessageBytesMax = 1024 * 1024

const modelSchema = z.object({
  /** As the model gateway knows it: PROVIDER/MODEL. */
  id: z.string(),
  name: z.string(),
  contextTokensMax: z.number().int(),
  outputTokensMax: z.number().int(),
  reasoning: z.boolean(),
  /**
   * How OpenClaw speaks to it. The `openai-*` kinds use `models.baseUrl` as it is; `anthropic-messages` uses the same
   * address with its trailing `/v1` replaced by `/anthropic`, to which OpenClaw adds `/v1/messages`.
   */
  api: z.enum(['openai-completions', 'openai-responses', 'anthropic-messages']).default('openai-completions'),
})

export const desiredSchema = z.object({
  /** `stop` drains (see `graceSeconds`) and then ends the supervisor itself. */
  run: z.enum(['run', 'stop']),
  graceSeconds: z.number().int().min(0),
  /** With `stop`: why, for the conversation that its owner had last. */
  notice: z.string().nullish(),
  /** OpenClaw restarts once whenever this is larger than what was last applied. */
  restartGeneration: z.number().int().min(0),
  models: z.object({
    /**
     * The model gateway's OpenAI-compatible surface, ending in `/v1`: a URL, or a path at the address that the link
     * dials, for a slot that reaches the control plane through its host's gate.
     */
    baseUrl: z.string(),
    /** This slot's own key for it. */
    apiKey: z.string(),
    /** Id of the model that OpenClaw uses by default. */
    primary: z.string(),
    offered: z.array(modelSchema),
    /** The built-in model for the pool's throw-away first turn. */
    warmup: z.string(),
  }),
  /** What the proxy must present on the supervisor's port. */
  proxyToken: z.string(),
  /** What a slot fetches and delivers by HTTP, at the address that the link dials, with this slot's own key. */
  slot: z.object({ baseUrl: z.string(), apiKey: z.string() }).nullish(),
  /**
   * A backup to put in place of the state: fetched at `slot.baseUrl` by this id, once. Until it is applied, or has
   * failed, the slot is not ready.
   */
  restore: z.object({ id: z.string() }).nullish(),
  /**
   * Values for OpenClaw's secret provider `reef`, all of them each time. The supervisor keeps them in memory, whatever
   * they are named for, and writes them into no log.
   */
  secrets: z
    .array(
      z.object({
        name: z.string(),
        value: z.string(),
        version: z.number().int(),
        /** Commands that the agent runs see it in their environment. */
        exposeToTools: z.boolean(),
      }),
    )
    .nullish(),
  /** What the slot's directory may take up on its disk; null where nobody limits it. */
  diskBytesMax: z.number().int().positive().nullish(),
  /** Null while the slot waits in the pool. */
  owner: z
    .object({
      instanceId: z.string(),
      slug: z.string(),
      /** Who OpenClaw's Control UI believes the visitor to be; the proxy sends the same in `x-reef-user`. */
      userNames: z.array(z.string()),
      /** Origins of the instance's own address, for OpenClaw's `allowedOrigins`. */
      origins: z.array(z.string()),
    })
    .nullable(),
})
export type Desired = z.infer<typeof desiredSchema>

/**
 * How long OpenClaw has served, in milliseconds over the slot's whole life; a counter that began anew has another `run`.
 * Cumulative, so that a report that is lost, late or repeated changes nothing. Left out by whoever does not count.
 */
const servedSchema = z.object({ run: z.string().min(1).max(100), ms: z.number().int().min(0) })

export const fromSupervisorSchema = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('hello'),
    protocolVersion: z.number().int(),
    slotId: z.string(),
    credential: z.object({ kind: z.enum(['bootstrap', 'link']), token: z.string() }),
    supervisorVersion: z.string(),
    openclawVersion: z.string(),
  }),
  z.object({
    type: z.literal('status'),
    phase: z.enum(['booting', 'warming', 'ready', 'restarting', 'draining', 'failed']),
    /** OpenClaw takes requests. */
    ready: z.boolean(),
    /** The slow first turn is behind it. */
    warm: z.boolean(),
    appliedRestartGeneration: z.number().int(),
    failure: z
      .object({
        code: z.enum(['crashed', 'configuration_invalid', 'never_ready', 'disk_full']),
        message: z.string(),
      })
      .nullable(),
    served: servedSchema.nullish(),
  }),
  z.object({
    type: z.literal('heartbeat'),
    /**
     * Rises by one with each heartbeat over the slot's whole life, across restarts of the supervisor. Compared within one
     * link only: a supervisor whose disk was full when it ended goes on from an older number.
     */
    sequence: z.number().int(),
    /** ISO 8601, the supervisor's clock. */
    at: z.string(),
    /** Resident bytes of OpenClaw and everything it started. */
    memoryBytes: z.number().int(),
    /** Of one core, over the time since the last heartbeat. */
    cpuPercent: z.number(),
    /** Counted as one right after OpenClaw became ready, while it is not asked. */
    turnsInFlight: z.number().int(),
    /** When a person last did something: a request of theirs, a frame of the Control UI; never a ping. ISO 8601. */
    activeAt: z.string().nullish(),
    /** When OpenClaw wants to act by itself next, by cron or heartbeat. ISO 8601; null when nothing is planned. */
    nextWakeAt: z.string().nullish(),
    served: servedSchema.nullish(),
  }),
  z.object({
    type: z.literal('logs'),
    lines: z.array(
      z.object({ at: z.string(), source: z.enum(['openclaw', 'supervisor']), text: z.string() }),
    ),
  }),
  z.object({
    type: z.literal('result'),
    /** The call that this answers. */
    id: z.string(),
    value: z.unknown().optional(),
    /** Set when it failed. */
    error: z.object({ code: z.string(), message: z.string() }).nullish(),
  }),
])
export type FromSupervisor = z.infer<typeof fromSupervisorSchema>
export type LogLine = Extract<FromSupervisor, { type: 'logs' }>['lines'][number]

export const toSupervisorSchema = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('welcome'),
    /** The slot's own credential from now on; only in answer to a bootstrap token. */
    linkCredential: z.string().nullable(),
    heartbeatSeconds: z.number(),
    leaseSeconds: z.number(),
    desired: desiredSchema,
  }),
  z.object({
    type: z.literal('refused'),
    code: z.enum(['credential_invalid', 'protocol_unsupported', 'slot_gone', 'busy']),
    message: z.string(),
    /** False: trying again will not help, so the supervisor stops OpenClaw and ends. */
    retry: z.boolean(),
  }),
  z.object({ type: z.literal('desired'), desired: desiredSchema }),
  z.object({
    type: z.literal('lease'),
    /** The heartbeat that this answers; 0 when it answers none. */
    sequence: z.number().int(),
    /** From receipt; a supervisor whose lease runs out stops OpenClaw and itself. */
    leaseSeconds: z.number(),
  }),
  z.object({ type: z.literal('call'), id: z.string(), method: z.string(), params: z.unknown() }),
])
export type ToSupervisor = z.infer<typeof toSupervisorSchema>

/**
 * The supervisor's port, which only the proxy may use: every request carries `x-reef-proxy-token` and, in
 * `x-reef-route`, what it is for. The supervisor strips both and adds OpenClaw's own credential behind it.
 */
export const proxyTokenHeader = 'x-reef-proxy-token'
export const routeHeader = 'x-reef-route'
/**
 * On a refusal of the supervisor's own, with its code: nothing of the request was begun, so it may be sent again, whatever
 * it is. OpenClaw cannot say so: the supervisor takes every `x-reef-` header off what it passes on.
 */
export const refusedHeader = 'x-reef-refused'
/** Name of the visitor on the `ui` route, one of `desired.owner.userNames`. */
export const userHeader = 'x-reef-user'
/** `gateway`: OpenClaw's HTTP API. `ui`: its Control UI as the named visitor. `bridge`: the supervisor's own conversations API. `webhook`: a messaging service's call, whose own credential OpenClaw checks. */
export type SupervisorRoute = 'gateway' | 'ui' | 'bridge' | 'webhook'
