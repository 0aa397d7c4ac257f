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

  /**
   * Stops the machine and keeps its state: SIGTERM, then SIGKILL after `graceSeconds`. Stopped already is success, and
   * a suspended one ends in the same order.
   */
  stop(handle: Handle, options: { graceSeconds: number }): Promise<void>

  /** Removes machine and state for good. Absence is success. */
  remove(handle: Handle): Promise<void>

  /** Every machine was stopped on purpose: what the driver runs beside them may end too, until the next `ensure`. */
  rest?(): Promise<void>

  /** Everything of this Reef that exists on this kind of machine, by slot id: what finds orphans and lost rows. */
  list(): Promise<ListedSlot[]>

  /**
   * What new slots are made of, in one text that `SlotSpec.specVersion` carries back: a driver with images puts the
   * image's digest into it, so that a slot can be made, and upgraded, and rolled back, by this text alone. Without the
   * method a slot is made of this Reef's own files. Called at start and whenever the pool is tended.
   */
  specVersion?(): Promise<string>

  /** Only with `capabilities.suspend`: every process of the machine stands still and keeps its memory. */
  suspend?(handle: Handle): Promise<void>
  /** From suspended and from frozen alike. */
  resume?(handle: Handle): Promise<void>
  /**
   * Only with `capabilities.freeze`, and only on a suspended machine: moves its memory out of RAM, to compressed memory
   * or, with `tier: 'disk'`, on to disk where the host can. Repeated calls are harmless. Answers what is still resident.
   */
  freeze?(handle: Handle, options: { tier: 'memory' | 'disk' }): Promise<{ residentBytes: number }>
  /** Only with `capabilities.freeze`, on a running machine: reclaims what it has not touched lately, down to `toBytes`. */
  trim?(handle: Handle, options: { toBytes: number }): Promise<{ residentBytes: number }>

  /**
   * Addresses of this machine on which its slots reach the control plane, beside the one that it listens on anyway;
   * asked for once, before it listens. Each is only reachable from where the slots are.
   */
  listenAddresses?(): Promise<string[]>

  /** The machines' hosts with their memory as it is now; without the method the driver's capacity is not ours to count. */
  hosts?(): Promise<HostReport[]>
}

/** One host of a driver: what admission and the operator's page are based on. */
export interface HostReport {
  name: string
  state: 'active' | 'draining' | 'unreachable'
  memoryTotalBytes: number
  /** What could be used without reclaiming anything from a running machine. */
  memoryAvailableBytes: number
  swapTotalBytes: number
  swapFreeBytes: number
  /** Swap that is compressed memory, if any of it is. */
  zramTotalBytes: number
  /** Of the disk that slots keep their state on; 0 where it is not known. */
  diskTotalBytes: number
  diskFreeBytes: number
  cpus: number
  /** Really resident, by slot id, of every machine of this Reef on the host. */
  slots: { slotId: string; residentBytes: number; swappedBytes: number; paused: boolean }[]
}

/** Opaque JSON that the core stores and gives back. */
export type Handle = { readonly [key: string]: string | number | boolean | null }

export interface ComputeCapabilities {
  isolation: 'none' | 'container' | 'vm'
  suspend: boolean
  /** Whether `freeze`, `trim` and `hosts` exist; whether a host can really do it shows in `preflight`. */
  freeze: boolean
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
  /**
   * Image and versions in one text, from the driver's own `specVersion()`; a slot of another one is retired by the pool.
   * `ensure` with another text than the machine was made of makes the machine anew on the state that it has: an upgrade
   * or a rollback.
   */
  specVersion: string
  /** Where the supervisor finds the control plane: a ws:// or wss:// URL. May change between calls. */
  linkUrl: string
  /** One-time credential for the first link; null when the slot already has a credential of its own. */
  bootstrapToken: string | null
  limits: { memoryMebibytes: number; cpus: number; pids: number }
}

export interface Observation {
  phase: 'absent' | 'starting' | 'running' | 'suspended' | 'exited' | 'failed'
  /**
   * Base URL of the supervisor's port, as control planes reach it: plain `http://HOST:PORT`, or a name below
   * `gate.internal`, which says through which host's gate the slot is reached (src/proxy/dial.ts).
   */
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
