import {
  type ComputeCapabilities,
  type ComputeDriver,
  ComputeError,
  type Handle,
  type HostReport,
  type SlotSpec,
} from '../../domain/instances/compute.ts'
import type { FakeMachine, FakeMachines } from './machines.ts'

/** How the pretended machines misbehave. */
type FakeVariant =
  | 'well_behaved'
  /** Boots twenty times as long. */
  | 'slow'
  /** Runs, but nothing in it ever becomes ready. */
  | 'never_ready'
  /** Ends as soon as it has booted. */
  | 'crashing'
  /** Has no room for any further machine. */
  | 'no_capacity'
  /** Makes the machine, but the first answer about each is lost. */
  | 'lost_reply'
  /** Refuses the first calls for each slot because they come too fast. */
  | 'throttled'

/** What happens inside a machine, for whoever stands in for its supervisor. */
export type FakeMachineEvent = { kind: 'up' | 'ended' | 'suspended' | 'resumed'; slotId: string }

export interface FakeDriverOptions {
  machines: FakeMachines
  bootMilliseconds?: number
  capabilities?: Partial<ComputeCapabilities>
  /** Where the supervisor of a slot is said to listen; nowhere without it. */
  addressOf?(slotId: string): string
  /** Software with which nothing ever becomes ready. */
  isBroken?(specVersion: string): boolean
  /** The pretended hosts. */
  hosts?(): Promise<HostReport[]>
  /** There is no supervisor in a pretended machine: this is told when it would have become ready, and when it ended. */
  onMachine?(event: FakeMachineEvent): void
}

export interface FakeDriver extends ComputeDriver {
  /** Changes how it behaves from the next call on. */
  behave(variant: FakeVariant): void
}

const slowFactor = 20
const throttledCalls = 2

/** A driver without machines, for tests of everything above it and for trying the dashboard with many instances. */
export function createFakeDriver(options: FakeDriverOptions): FakeDriver {
  const { machines } = options.machines
  const bootMilliseconds = options.bootMilliseconds ?? 20
  const onMachine = options.onMachine ?? (() => undefined)
  const addressOf = options.addressOf ?? ((slotId) => `http://127.0.0.1:9/${slotId}`)
  const callsBySlot = new Map<string, number>()
  let variant: FakeVariant = 'well_behaved'

  const boot = (machine: FakeMachine): void => {
    Object.assign(machine, { running: true, up: false, crash: null, boots: machine.boots + 1 })
    clearTimeout(machine.timer)
    const behaviour = options.isBroken?.(machine.specVersion) ? 'never_ready' : variant
    const milliseconds = bootMilliseconds * (behaviour === 'slow' ? slowFactor : 1)
    machine.timer = setTimeout(() => {
      if (!machine.running) return
      machine.up = true
      if (behaviour === 'crashing') {
        options.machines.crash(machine.slotId, 'the pretended machine was told to crash')
        onMachine({ kind: 'ended', slotId: machine.slotId })
      } else if (behaviour !== 'never_ready') onMachine({ kind: 'up', slotId: machine.slotId })
    }, milliseconds)
    // A pretended boot keeps no process alive.
    machine.timer.unref()
  }

  const halt = (machine: FakeMachine): void => {
    clearTimeout(machine.timer)
    const ran = machine.running
    Object.assign(machine, { running: false, up: false, suspended: false, frozen: null })
    if (ran) onMachine({ kind: 'ended', slotId: machine.slotId })
  }

  const resume = (machine: FakeMachine): void => {
    Object.assign(machine, { suspended: false, frozen: null })
    onMachine({ kind: 'resumed', slotId: machine.slotId })
  }

  const ensure = async (spec: SlotSpec): Promise<Handle> => {
    const calls = (callsBySlot.get(spec.slotId) ?? 0) + 1
    callsBySlot.set(spec.slotId, calls)
    if (variant === 'throttled' && calls <= throttledCalls)
      throw new ComputeError('throttled', 'Too many calls; the limit is pretended.')
    const existing = machines.get(spec.slotId)
    if (variant === 'no_capacity' && !existing?.running)
      throw new ComputeError('no_capacity', 'All pretended machines are taken.')
    const machine: FakeMachine = existing ?? {
      slotId: spec.slotId,
      specVersion: spec.specVersion,
      running: false,
      up: false,
      suspended: false,
      frozen: null,
      boots: 0,
      state: new Map(),
      ignoresStop: false,
      crash: null,
      timer: undefined,
    }
    machines.set(spec.slotId, machine)
    // Made anew of other software, on the state that it has.
    if (machine.specVersion !== spec.specVersion) halt(machine)
    machine.specVersion = spec.specVersion
    if (!machine.running) boot(machine)
    else if (machine.suspended) resume(machine)
    if (variant === 'lost_reply' && calls === 1)
      throw new ComputeError('unavailable', 'The answer was lost on the way.')
    return { slotId: spec.slotId }
  }

  const findRunning = (handle: Handle): FakeMachine => {
    const machine = find(handle)
    if (!machine?.running) throw new ComputeError('unavailable', 'The pretended machine does not run.')
    return machine
  }

  const find = (handle: Handle): FakeMachine | undefined => machines.get(String(handle.slotId))

  return {
    name: 'fake',
    capabilities: {
      isolation: 'container',
      suspend: true,
      freeze: true,
      egressControl: false,
      stopGraceSecondsMax: 60,
      ...options.capabilities,
    },
    behave: (next) => {
      variant = next
    },
    preflight: async () => [{ name: 'machines', ok: true, detail: 'They are pretended; nothing is needed.' }],
    ensure,
    observe: async (handle) => {
      const machine = find(handle)
      if (!machine) return { phase: 'absent' }
      if (machine.suspended) return { phase: 'suspended', address: addressOf(machine.slotId) }
      if (machine.running)
        return machine.up
          ? { phase: 'running', address: addressOf(machine.slotId) }
          : { phase: 'starting', pendingReason: 'booting' }
      return machine.crash === null
        ? { phase: 'exited' }
        : { phase: 'exited', failure: { code: 'crashed', message: machine.crash } }
    },
    stop: async (handle, { graceSeconds }) => {
      const machine = find(handle)
      if (!machine) return
      if (machine.running && machine.ignoresStop)
        await new Promise((done) => setTimeout(done, graceSeconds * 1000))
      halt(machine)
      machine.crash = null
    },
    remove: async (handle) => {
      const machine = find(handle)
      if (!machine) return
      halt(machine)
      machines.delete(machine.slotId)
    },
    suspend: async (handle) => {
      const machine = findRunning(handle)
      if (machine.suspended) return
      machine.suspended = true
      onMachine({ kind: 'suspended', slotId: machine.slotId })
    },
    resume: async (handle) => {
      const machine = findRunning(handle)
      if (variant === 'no_capacity') throw new ComputeError('no_capacity', 'The pretended memory is full.')
      if (machine.suspended) resume(machine)
    },
    freeze: async (handle, { tier }) => {
      const machine = findRunning(handle)
      if (!machine.suspended) throw new ComputeError('unavailable', 'Only what is suspended can be frozen.')
      machine.frozen = tier
      return { residentBytes: 0 }
    },
    trim: async (handle, { toBytes }) => {
      findRunning(handle)
      return { residentBytes: toBytes }
    },
    ...(options.hosts ? { hosts: options.hosts } : {}),
    list: async () => [...machines.keys()].map((slotId) => ({ slotId, handle: { slotId } })),
  }
}
