import type { FreezeTier } from '../../db/tables/idle.ts'

/** One pretended machine. */
export interface FakeMachine {
  slotId: string
  /** What it was made of. */
  specVersion: string
  /** Set while it runs; `up` once its pretended boot is over. */
  running: boolean
  up: boolean
  /** It stands still; `frozen` says where its pretended memory is meanwhile. */
  suspended: boolean
  frozen: FreezeTier | null
  boots: number
  /** Whatever its pretended disk holds; kept by a stop, lost by a removal. */
  state: Map<string, string>
  ignoresStop: boolean
  crash: string | null
  timer: NodeJS.Timeout | undefined
}

/**
 * The provider of pretended machines: what exists, whichever control plane asks. Several drivers on one provider stand
 * for several control planes.
 */
export interface FakeMachines {
  readonly machines: Map<string, FakeMachine>
  /** Makes a running machine end by itself. */
  crash(slotId: string, message: string): void
  countRunning(slotId?: string): number
}

export function createFakeMachines(): FakeMachines {
  const machines = new Map<string, FakeMachine>()
  return {
    machines,
    crash: (slotId, message) => {
      const machine = machines.get(slotId)
      if (!machine?.running) return
      clearTimeout(machine.timer)
      Object.assign(machine, { running: false, up: false, suspended: false, frozen: null, crash: message })
    },
    countRunning: (slotId) =>
      [...machines.values()].filter((machine) => machine.running && (!slotId || machine.slotId === slotId))
        .length,
  }
}
