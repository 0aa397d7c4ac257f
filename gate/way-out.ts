import type { Socket } from 'node:net'
import { dial } from './dial.ts'
import type { GateLimits } from './limits.ts'
import type { Names } from './names.ts'
import { decide } from './policy.ts'
import type { DeniedReason, PolicySlot } from './protocol.ts'
import { describeRefusal } from './refusal.ts'
import type { Reports } from './reports.ts'
import type { Slots } from './slots.ts'
import type { Target } from './target.ts'

export interface WayOutDeps {
  slots: Slots
  names: Names
  reports: Reports
  limits: GateLimits
}

export type WayOut =
  | { kind: 'open'; upstream: Socket }
  | { kind: 'refused'; status: 403 | 502; message: string }

/**
 * A connection to what a slot asks for, if it may: judged by name, resolved, judged by address, and connected to exactly
 * an address that was judged. It is closed as soon as a policy no longer allows it.
 */
export async function openWayOut(deps: WayOutDeps, slot: PolicySlot, target: Target): Promise<WayOut> {
  const decision = decide(target, slot.egress)
  if (!decision.allowed || target.kind !== 'name')
    return refuse(deps, slot.slotId, target, decision.allowed ? 'address' : decision.reason)
  const resolved = await deps.names.resolve(target.host)
  if (resolved.kind === 'private') return refuse(deps, slot.slotId, target, 'private_address')
  const failed: WayOut = {
    kind: 'refused',
    status: 502,
    message: `Reef: ${target.host} ${resolved.kind === 'unknown' ? 'is not known to DNS' : `does not answer at port ${target.port}`}.`,
  }
  if (resolved.kind === 'unknown') return failed
  const upstream = await dial(resolved.addresses, target.port, { seconds: deps.limits.dialSeconds }).catch(
    () => undefined,
  )
  if (!upstream) return failed
  // The policy may have changed meanwhile, and what was not held yet was not closed.
  const current = deps.slots.findById(slot.slotId)
  const still = current ? decide(target, current.egress) : ({ allowed: false, reason: 'no_egress' } as const)
  if (!current || !still.allowed) {
    upstream.destroy()
    return refuse(deps, slot.slotId, target, still.allowed ? 'no_egress' : still.reason)
  }
  const release = deps.slots.hold(current, {
    isAllowed: (next) => decide(target, next.egress).allowed,
    close: () => upstream.destroy(),
  })
  deps.reports.count(slot.slotId, upstream)
  upstream.once('close', release)
  return { kind: 'open', upstream }
}

export function refuse(deps: WayOutDeps, slotId: string, target: Target, reason: DeniedReason): WayOut {
  const { host, port } = target.kind === 'malformed' ? { host: '', port: 0 } : target
  deps.reports.denied(slotId, { host, port, reason })
  return { kind: 'refused', status: 403, message: describeRefusal(reason, host, port) }
}
