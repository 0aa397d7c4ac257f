import type { Connection } from './connection.ts'
import type { Hold } from './store.ts'

/** A slot whose link is held by this control plane. */
export interface LinkedSlot {
  hold: Hold
  connection: Connection
  instanceId: string | null
  /** Its machine stands still, or is about to. */
  still: boolean
  /** What its supervisor was last told to do, as a digest. */
  desired: string
}

export type LinkedSlots = Map<string, LinkedSlot>

/**
 * The lease of one that has just been given to somebody, until its next heartbeat says how far their credits reach: what
 * was asked of them before it started.
 */
export function firstLeaseOf(leaseSeconds: number): number {
  return Math.min(leaseSeconds, firstLeaseSecondsMax)
}

const firstLeaseSecondsMax = 60

export const replacedReason = 'a newer link of this slot took over'
