import type { Database } from '../db/database.ts'
import type { Logger } from '../telemetry/log.ts'
import type { LinkCalls } from './calls.ts'
import {
  type Connection,
  type ConnectionHandler,
  closeCodes,
  type Hello,
  type Refusal,
  type Report,
} from './connection.ts'
import { addSecrets, type DesiredSources, desiredOf, digestOf, recordSecrets } from './desired.ts'
import type { DesiredPush } from './desired-push.ts'
import { firstLeaseOf, type LinkedSlot, type LinkedSlots, replacedReason } from './linked-slots.ts'
import type { LogBuffers } from './log-buffers.ts'
import { persistently } from './persistently.ts'
import { admit, type Counted, recordHeartbeat, release, writeStatus } from './store.ts'

export interface ReceptionDeps {
  database: Database
  nodeId: string
  log: Logger
  linked: LinkedSlots
  logs: LogBuffers
  calls: LinkCalls
  push: DesiredPush
  sources: DesiredSources
  heartbeatSeconds: number
  leaseSeconds: number
  /** True once this control plane is stopping: what fails now is not tried again. */
  isStopping(): boolean
}

/** What the control plane does with the messages of one connection. */
export function receive(deps: ReceptionDeps, getConnection: () => Connection): ConnectionHandler {
  const { database, linked, log } = deps
  let slot: LinkedSlot | undefined

  /** Writes what came over this link; false when it is no longer the slot's. */
  const keep = async (link: LinkedSlot, write: () => Promise<Counted>): Promise<Counted> => {
    const isCurrent = () => linked.get(link.hold.slotId) === link && !deps.isStopping()
    const counted = await persistently(write, isCurrent)
    if (!counted.kept) link.connection.close(closeCodes.replaced, replacedReason)
    return counted
  }
  const onReport = async (link: LinkedSlot, report: Report): Promise<void> => {
    const { hold, connection } = link
    switch (report.type) {
      case 'logs':
        deps.logs.append(hold.slotId, report.lines)
        return
      case 'result':
        deps.calls.onResult(hold.slotId, report)
        return
      case 'status':
        await keep(link, async () => ({
          kept: await writeStatus(database, hold, report),
          coverSeconds: null,
        }))
        return
      case 'heartbeat': {
        const { kept, coverSeconds } = await keep(link, () => recordHeartbeat(database, hold, report))
        const leaseSeconds = leaseOf(deps, coverSeconds)
        if (kept) connection.send({ type: 'lease', sequence: report.sequence, leaseSeconds })
      }
    }
  }

  return {
    onReport: async (report) => {
      if (slot) await onReport(slot, report)
    },
    onHello: async (hello) => {
      try {
        const admitted = await welcome(deps, hello, getConnection())
        if ('code' in admitted) log.info({ slotId: hello.slotId, code: admitted.code }, 'link refused')
        else slot = admitted
        return 'code' in admitted ? admitted : undefined
      } catch (error) {
        log.warn({ err: error, slotId: hello.slotId }, 'link not admitted')
        return {
          code: 'busy',
          message: 'The control plane cannot check the credential right now.',
          retry: true,
        }
      }
    },
    onEnd: async (silent) => {
      if (!slot) return
      const { hold } = slot
      if (linked.get(hold.slotId) === slot) linked.delete(hold.slotId)
      deps.calls.onEnd(hold.slotId)
      log.info({ slotId: hold.slotId, silent }, 'link ended')
      // What a stopping control plane cannot write any more is found by `clearExpired` of another.
      await persistently(
        () => release(database, hold, silent),
        () => !deps.isStopping(),
      )
    },
    onError: (error) => log.error({ err: error, slotId: slot?.hold.slotId }, 'link failed'),
  }
}

/**
 * No longer than there are credits for, so that an instance ends by itself when they run out while every control plane
 * is away; and long enough for the next heartbeat, which what is held for ending it pays for.
 */
function leaseOf({ leaseSeconds, heartbeatSeconds }: ReceptionDeps, coverSeconds: number | null): number {
  if (coverSeconds === null) return leaseSeconds
  return Math.min(leaseSeconds, Math.max(coverSeconds, leaseHeartbeatsMin * heartbeatSeconds))
}

const leaseHeartbeatsMin = 2.5

async function welcome(
  deps: ReceptionDeps,
  hello: Hello,
  connection: Connection,
): Promise<LinkedSlot | Refusal> {
  const admission = await admit(deps.database, deps.nodeId, hello)
  if (admission.kind === 'refused') return refusals[admission.code]
  const { hold, facts, coverSeconds } = admission
  await addSecrets([facts], deps.sources)
  const desired = desiredOf(facts, deps.sources)
  const slot: LinkedSlot = {
    hold,
    connection,
    instanceId: facts.instance?.id ?? null,
    still: facts.wanted === 'suspended',
    desired: digestOf(desired),
  }
  const other = deps.linked.get(hold.slotId)
  // Two connections of one slot may get here in another order than the database admitted them; the later one stays.
  const isNewest = !other || other.hold.connectedAt < hold.connectedAt
  if (isNewest) deps.linked.set(hold.slotId, slot)
  ;(isNewest ? other?.connection : connection)?.close(closeCodes.replaced, replacedReason)
  connection.send({
    type: 'welcome',
    linkCredential: admission.linkCredential,
    heartbeatSeconds: deps.heartbeatSeconds,
    leaseSeconds:
      facts.instance && coverSeconds === null ? firstLeaseOf(deps.leaseSeconds) : leaseOf(deps, coverSeconds),
    desired,
  })
  recordSecrets(hold, facts, deps)
  deps.log.info({ slotId: hold.slotId, openclawVersion: hello.openclawVersion }, 'link accepted')
  // What changed since the facts were read was hinted at before this link was known here.
  deps.push.ask([hold.slotId])
  return slot
}

const refusals: Record<'credential_invalid' | 'slot_gone', Refusal> = {
  credential_invalid: {
    code: 'credential_invalid',
    message:
      'The credential is not valid (any more). A bootstrap token is good once, and for a limited time.',
    retry: false,
  },
  slot_gone: { code: 'slot_gone', message: 'The slot was removed.', retry: false },
}
