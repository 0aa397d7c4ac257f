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

export const replacedReason = 'a newer link of this slot took over'
