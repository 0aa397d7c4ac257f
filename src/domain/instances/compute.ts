/**
 * The port to machines. A driver starts and stops slots on one kind of machine and nothing more: it never authorizes,
 * bills or decides idleness. Logs, configuration, health and backups go over the link, alike on every driver.
 *
 * Errors are `ComputeError`s: `retryable` when the same call may succeed later (throttling, 5xx, a timeout, no
 * capacity), `permanent` when it never will. The caller recreates a machine only on a confirmed absence
 * (`observe` answering `absent`), never on an error.
 */
export interface ComputeDriver {
  readonly name: string
  readonly capabilities: ComputeCapabilities

  /** Checks what the driver needs before any slot is made; called at start and by `reef doctor`. Never throws. */
  preflight(): Promise<PreflightCheck[]>

  /**
   * Creates the slot's machine, or adopts the one that already carries the slot's name, and starts it if it is
   * stopped. Idempotent: called again after a lost reply it finds what the first call made. Returns as soon as the
   * machine is asked for, long before it is ready; the caller stores the handle before waiting.
   * `previous` is the handle of an earlier `ensure`, if there was one.
   */
  ensure(spec: SlotSpec, previous: Handle | null): Promise<Handle>

  /** What is the case now. Cheap; called every few seconds per slot that is starting and about once a minute otherwise. */
  observe(handle: Handle): Promise<Observation>

  /** Stops the machine and keeps its state: SIGTERM, then SIGKILL after `graceSeconds`. Stopped already is success. */
  stop(handle: Handle, options: { graceSeconds: number }): Promise<void>

  /** Removes machine and state for good. Absence is success. */
  remove(handle: Handle): Promise<void>

  /** Everything of this Reef that exists on this kind of machine, by slot id: what finds orphans and lost rows. */
  list(): Promise<ListedSlot[]>

  /** Only with `capabilities.suspend`. */
  suspend?(handle: Handle): Promise<void>
  resume?(handle: Handle): Promise<void>
}

/** Opaque JSON that the core stores and gives back. */
export type Handle = { readonly [key: string]: string | number | boolean | null }

export interface ComputeCapabilities {
  isolation: 'none' | 'container' | 'vm'
  suspend: boolean
  egressControl: boolean
  stopGraceSecondsMax: number
}

export interface PreflightCheck {
  name: string
  ok: boolean
  /** What was found and, if not ok, the remedy. */
  detail: string
}

export interface SlotSpec {
  slotId: string
  /** Image, versions and plan in one text; a slot of another one is retired by the pool. */
  specVersion: string
  /** Where the supervisor finds the control plane: a ws:// or wss:// URL. May change between calls. */
  linkUrl: string
  /** One-time credential for the first link; null when the slot already has a credential of its own. */
  bootstrapToken: string | null
  limits: { memoryMebibytes: number; cpus: number; pids: number }
}

export interface Observation {
  phase: 'absent' | 'starting' | 'running' | 'suspended' | 'exited' | 'failed'
  /** Base URL of the supervisor's port, as control planes reach it. */
  address?: string
  /** Why it is not running yet: shown to the user. */
  pendingReason?: 'no_capacity' | 'pulling_image' | 'booting'
  failure?: { code: FailureCode; message: string }
}

type FailureCode =
  | 'crashed'
  | 'out_of_memory'
  | 'bad_image'
  | 'configuration_invalid'
  | 'never_ready'
  | 'unknown'

export interface ListedSlot {
  slotId: string
  handle: Handle
}

export class ComputeError extends Error {
  override readonly name = 'ComputeError'
  readonly retryable: boolean
  /** `no_capacity` and `throttled` are shown to the user as waiting, anything else as a problem. */
  readonly reason: 'no_capacity' | 'throttled' | 'unavailable' | 'rejected'

  constructor(reason: ComputeError['reason'], message: string, cause?: unknown) {
    super(message, { cause })
    this.reason = reason
    this.retryable = reason !== 'rejected'
  }
}
