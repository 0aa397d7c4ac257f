import type { Database } from '../db/database.ts'
import type { Logger } from '../telemetry/log.ts'
import { closeCodes } from './connection.ts'
import {
  addSecrets,
  type DesiredFacts,
  type DesiredSources,
  desiredOf,
  digestOf,
  loadDesiredFacts,
  recordSecrets,
} from './desired.ts'
import { firstLeaseOf, type LinkedSlot, type LinkedSlots, replacedReason } from './linked-slots.ts'
import { isHolder } from './store.ts'

export interface DesiredPush {
  /** Compares what these slots should do with what they were last told, and tells those for which it differs. */
  ask(slotIds: Iterable<string>): void
}

/**
 * What is asked while a check runs is collected into the next one, so that a burst of hints costs one query. The same
 * look finds links that a newer one on another control plane has replaced.
 */
export function createDesiredPush(deps: {
  database: Database
  linked: LinkedSlots
  sources: DesiredSources
  leaseSeconds: number
  log: Logger
}): DesiredPush {
  const { database, linked } = deps
  const due = new Set<string>()
  let running = false

  const check = async (slotIds: string[]): Promise<void> => {
    const asked = slotIds.map((slotId) => linked.get(slotId)).filter((slot) => slot !== undefined)
    if (asked.length === 0) return
    const facts = await database.asSystem((trx) =>
      loadDesiredFacts(
        trx,
        asked.map((slot) => slot.hold.slotId),
      ),
    )
    await addSecrets(facts.values(), deps.sources)
    for (const slot of asked) {
      const { slotId } = slot.hold
      // One that was replaced here while the facts were read has its own check coming.
      if (linked.get(slotId) === slot) compare(slot, facts.get(slotId), deps)
    }
  }
  const run = async (): Promise<void> => {
    running = true
    while (due.size > 0) {
      const batch = [...due]
      due.clear()
      // After a failure the poll asks for everything again; trying at once would only press a database in trouble.
      await check(batch).catch((error) =>
        deps.log.warn({ err: error }, 'what slots should do could not be read'),
      )
    }
    running = false
  }
  return {
    ask: (slotIds) => {
      for (const slotId of slotIds) due.add(slotId)
      if (!running) void run()
    },
  }
}

function compare(
  slot: LinkedSlot,
  facts: DesiredFacts | undefined,
  deps: { sources: DesiredSources; leaseSeconds: number; log: Logger },
): void {
  if (!facts || !isHolder(facts, slot.hold)) {
    slot.connection.close(closeCodes.replaced, replacedReason)
    return
  }
  const isTaken = slot.instanceId === null && facts.instance !== null
  slot.instanceId = facts.instance?.id ?? null
  const still = facts.wanted === 'suspended'
  if (slot.still !== still) slot.connection.excuse()
  slot.still = still
  const desired = desiredOf(facts, deps.sources)
  const text = digestOf(desired)
  if (text === slot.desired) return
  slot.desired = text
  slot.connection.send({ type: 'desired', desired })
  // In the pool it had a long one.
  if (isTaken)
    slot.connection.send({ type: 'lease', sequence: 0, leaseSeconds: firstLeaseOf(deps.leaseSeconds) })
  recordSecrets(slot.hold, facts, deps)
}
