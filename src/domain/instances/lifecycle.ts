import type { Selectable } from 'kysely'
import type { InstanceStatus, LaunchStep, Tables } from '../../db/schema.ts'
import type { FreezeTier } from '../../db/tables/idle.ts'
import { impossible } from '../../errors.ts'
import { holdReason } from '../credits/holds.ts'
import { failureReason, type Reason, waitingReason } from './reasons.ts'
import type { SlotFacts } from './slot-lifecycle.ts'

export type InstanceRow = Selectable<Tables['instances']>
export type InstanceFacts = Pick<
  InstanceRow,
  'desired_state' | 'status' | 'restart_generation' | 'rung' | 'credit_hold' | 'credit_hold_message'
>

/**
 * What is done for an instance. Each is one change of its slot's row in the same transaction; machines are the slot
 * worker's. None of them changes what the person wants.
 */
type InstanceStep =
  | { kind: 'none' }
  /** Take one that is available, else one that is still booting, else ask for a new one. */
  | { kind: 'claim_slot' }
  | { kind: 'run_slot' }
  | { kind: 'restart_slot' }
  | { kind: 'stop_slot' }
  | { kind: 'suspend_slot'; freeze: FreezeTier | null }
  | { kind: 'remove_slot' }

export interface InstanceDecision {
  action: InstanceStep
  status: InstanceStatus
  reason: Reason | null
  /** The step of the launch that is under way; null when none is. */
  step: LaunchStep['name'] | null
}

/** What the instance is now, and the next thing to do so that it becomes what its owner wants. */
export function decideInstance(instance: InstanceFacts, slot: SlotFacts | null): InstanceDecision {
  switch (instance.desired_state) {
    case 'running':
      return decideHeld(instance, slot) ?? decideOnRung(instance, slot)
    case 'suspended':
      return decideHeld(instance, slot) ?? decideSuspended(instance, slot, null)
    case 'stopped':
      return decideStopped(slot)
    case 'deleted':
      if (slot === null) return plain('deleted')
      return plain('deleting', slot.wanted === 'removed' ? 'none' : 'remove_slot')
    default:
      return impossible(instance.desired_state)
  }
}

/** Nobody pays for it: it stops, whatever its owner wants and however it sleeps, and starts again once somebody does. */
function decideHeld(instance: InstanceFacts, slot: SlotFacts | null): InstanceDecision | null {
  if (instance.credit_hold === null) return null
  return { ...decideStopped(slot), reason: holdReason(instance.credit_hold, instance.credit_hold_message) }
}

/** Its owner wants it running, and the idle ladder has let it down this far until somebody needs it. */
function decideOnRung(instance: InstanceFacts, slot: SlotFacts | null): InstanceDecision {
  switch (instance.rung) {
    case 'active':
      return decideRunning(instance, slot)
    case 'suspended':
      return decideSuspended(instance, slot, null)
    case 'frozen':
      return decideSuspended(instance, slot, 'memory')
    case 'frozen_on_disk':
      return decideSuspended(instance, slot, 'disk')
    case 'stopped':
      return decideStopped(slot)
    case 'archived':
    case 'deleted':
      if (slot === null) return plain('stopped')
      return plain('stopping', slot.wanted === 'removed' ? 'none' : 'remove_slot')
    default:
      return impossible(instance.rung)
  }
}

type PlainStep = Exclude<InstanceStep['kind'], 'suspend_slot'>

function plain(status: InstanceStatus, kind: PlainStep = 'none'): InstanceDecision {
  return { action: { kind }, status, reason: null, step: null }
}

function decideRunning(instance: InstanceFacts, slot: SlotFacts | null): InstanceDecision {
  if (slot === null) return { ...plain('provisioning', 'claim_slot'), step: 'slot_claimed' }
  // Its slot is going away, for whatever reason: once it is gone, the instance takes another.
  if (slot.wanted === 'removed') return { ...plain('provisioning'), step: 'slot_claimed' }
  if (instance.restart_generation > slot.restart_generation)
    return { ...plain('provisioning', 'restart_slot'), step: launchStep(slot) }
  if (slot.wanted !== 'running')
    return slot.phase === 'suspended'
      ? plain('suspended', 'run_slot')
      : { ...plain('provisioning', 'run_slot'), step: launchStep(slot) }
  if (slot.failure_code !== null)
    return { ...plain('failed'), reason: failureReason(slot.failure_code, slot.failure_message) }
  if (serves(slot)) return { ...plain('running'), step: 'running' }
  // It wakes from where it was: nothing is launched.
  if (slot.phase === 'suspended') return { ...plain('suspended'), reason: waitingReason(slot) }
  return { ...plain('provisioning'), reason: waitingReason(slot), step: launchStep(slot) }
}

export function serves(slot: SlotFacts): boolean {
  return (
    slot.phase === 'running' &&
    slot.ready &&
    slot.address !== null &&
    slot.applied_restart_generation >= slot.restart_generation
  )
}

function launchStep(slot: SlotFacts): LaunchStep['name'] {
  return slot.phase === 'running' ? 'openclaw_ready' : 'machine_started'
}

function decideStopped(slot: SlotFacts | null): InstanceDecision {
  if (slot === null) return plain('stopped')
  if (slot.wanted === 'removed') return plain('stopping')
  if (slot.wanted !== 'stopped') return plain('stopping', 'stop_slot')
  return plain(slot.phase === 'absent' || slot.phase === 'exited' ? 'stopped' : 'stopping')
}

function decideSuspended(
  instance: InstanceFacts,
  slot: SlotFacts | null,
  freeze: FreezeTier | null,
): InstanceDecision {
  if (slot === null || slot.wanted === 'stopped' || slot.wanted === 'removed') return decideStopped(slot)
  if (slot.wanted !== 'suspended' || slot.freeze_wanted !== freeze)
    return { ...plain(instance.status), action: { kind: 'suspend_slot', freeze } }
  switch (slot.phase) {
    case 'suspended':
      return plain('suspended')
    // It ended before it could be suspended; its state is kept, so it is as good as stopped.
    case 'absent':
    case 'exited':
    case 'failed':
      return plain('stopped')
    case 'starting':
    case 'running':
      return plain(instance.status)
    default:
      return impossible(slot.phase)
  }
}
