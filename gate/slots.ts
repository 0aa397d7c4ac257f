import type { Policy, PolicySlot } from './protocol.ts'

/**
 * The slots of this host as the last policy names them, and what is open on their behalf. Before the first policy there
 * are none, so that a gate which knows nothing refuses everything.
 */
export interface Slots {
  /** Both addresses count: what comes from another instance's address is not this slot, whatever address it dialled. */
  findByAddresses(
    gateAddress: string | undefined,
    instanceAddress: string | undefined,
  ): PolicySlot | undefined
  findById(slotId: string): PolicySlot | undefined
  /**
   * Remembers something open until the returned function is called. It is closed when its slot goes, moves to other
   * addresses, or when `isAllowed` says no of a new policy; a new policy closes nothing else.
   */
  hold(slot: PolicySlot, open: { isAllowed(slot: PolicySlot): boolean; close(): void }): () => void
  apply(policy: Policy): void
}

interface Held {
  slot: PolicySlot
  isAllowed(slot: PolicySlot): boolean
  close(): void
}

export function createSlots(): Slots {
  let byId = new Map<string, PolicySlot>()
  let byAddress = new Map<string, PolicySlot>()
  const held = new Set<Held>()

  return {
    findByAddresses: (gateAddress, instanceAddress) => {
      const slot = byAddress.get(gateAddress ?? '')
      return slot?.instanceAddress === instanceAddress ? slot : undefined
    },
    findById: (slotId) => byId.get(slotId),
    hold: (slot, open) => {
      const one: Held = { slot, ...open }
      held.add(one)
      return () => held.delete(one)
    },
    apply: (policy) => {
      byId = new Map(policy.slots.map((slot) => [slot.slotId, slot]))
      byAddress = new Map(policy.slots.map((slot) => [slot.gateAddress, slot]))
      for (const one of held) {
        const slot = byId.get(one.slot.slotId)
        if (slot && sameAddresses(slot, one.slot) && one.isAllowed(slot)) continue
        held.delete(one)
        one.close()
      }
    },
  }
}

function sameAddresses(a: PolicySlot, b: PolicySlot): boolean {
  return a.gateAddress === b.gateAddress && a.instanceAddress === b.instanceAddress
}
