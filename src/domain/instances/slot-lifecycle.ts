import type { Selectable } from 'kysely'
import type { Tables } from '../../db/schema.ts'
import type { FreezeTier } from '../../db/tables/idle.ts'
import { impossible } from '../../errors.ts'
import type { ComputeError, Handle, Observation } from './compute.ts'
import { addSeconds, type LifecycleLimits } from './limits.ts'
import { isOutdated, judgeUpgrade } from './upgrade.ts'

export type SlotRow = Selectable<Tables['slots']>

/** What a decision about a slot rests on: columns of its row, and its place among those that wait for capacity. */
export interface SlotFacts
  extends Pick<
    SlotRow,
    | 'state'
    | 'wanted'
    | 'phase'
    | 'handle'
    | 'address'
    | 'pending_reason'
    | 'failure_code'
    | 'failure_message'
    | 'ready'
    | 'warm'
    | 'link_connected_at'
    | 'link_credential_hash'
    | 'restart_generation'
    | 'applied_restart_generation'
    | 'attempts'
    | 'retry_at'
    | 'started_at'
    | 'observed_at'
    | 'not_ready_since'
    | 'waiting_since'
    | 'freeze_wanted'
    | 'frozen'
    | 'resumed_at'
    | 'heartbeat_at'
    | 'spec_version'
    | 'made_of'
    | 'upgrade_from'
    | 'upgrade_until'
    | 'refused_spec'
    | 'refused_reason'
  > {
  /** 1 is next; null while it does not wait for capacity. */
  queue_place: number | null
  /** A backup is to be put in its state's place, for its owner or on trial. */
  restore_open: boolean
}

export type SlotPatch = Partial<Omit<SlotFacts, 'queue_place' | 'restore_open' | 'handle'>> & {
  handle?: Handle | null
  instance_id?: null
}

export type SlotAction =
  /** `repeated`: an earlier call may have made the machine already, so it must carry what that call carried. */
  | { kind: 'ensure_machine'; boot: 'fresh' | 'repeated' }
  | { kind: 'observe' }
  | { kind: 'stop_machine' }
  | { kind: 'suspend_machine' }
  | { kind: 'resume_machine' }
  | { kind: 'freeze_machine'; tier: FreezeTier }
  /** A call whose reply was lost may have made a machine: look it up before believing that there is none. */
  | { kind: 'find_machine' }
  | { kind: 'remove_machine' }
  | { kind: 'change'; patch: SlotPatch }
  /** Nothing to do before that time, or, with null, before somebody changes the row. */
  | { kind: 'wait'; until: Date | null }

const settled: SlotAction = { kind: 'wait', until: null }

/** The next thing to do for a slot. Pure: whatever it says is done by the slot worker, and then it is asked again. */
export function decideSlot(slot: SlotFacts, now: Date, limits: LifecycleLimits): SlotAction {
  if (slot.state === 'removed') return settled
  if (slot.retry_at && slot.retry_at > now) return { kind: 'wait', until: slot.retry_at }
  switch (slot.wanted) {
    case 'removed':
      if (slot.handle) return { kind: 'remove_machine' }
      return slot.phase === 'absent' ? { kind: 'change', patch: removed } : { kind: 'find_machine' }
    case 'stopped':
      if (slot.phase === 'absent' || slot.phase === 'exited') return settled
      return slot.handle ? { kind: 'stop_machine' } : { kind: 'find_machine' }
    case 'suspended':
      return decideSuspended(slot, now, limits)
    case 'running':
      return decideRunning(slot, now, limits)
    default:
      return impossible(slot.wanted)
  }
}

const removed: SlotPatch = {
  state: 'removed',
  phase: 'absent',
  handle: null,
  address: null,
  instance_id: null,
  ready: false,
  warm: false,
  pending_reason: null,
  retry_at: null,
  waiting_since: null,
  frozen: null,
}

function decideRunning(slot: SlotFacts, now: Date, limits: LifecycleLimits): SlotAction {
  const verdict = judgeUpgrade(slot, now, limits)
  if (verdict) return { kind: 'change', patch: verdict }
  const alive = slot.handle !== null && ['starting', 'running', 'suspended'].includes(slot.phase)
  if (slot.failure_code !== null) {
    // Nobody waits for a slot of the pool, so a failed one is replaced instead of repaired.
    if (slot.state !== 'assigned')
      return { kind: 'change', patch: { state: 'terminating', wanted: 'removed' } }
    // One that never became ready only costs, and one with a full disk may go on writing; a misconfigured one stays for
    // its supervisor to show why.
    if (['never_ready', 'disk_full'].includes(slot.failure_code) && alive) return { kind: 'stop_machine' }
    return alive ? observeAgain(slot, now, limits) : settled
  }
  if (!alive) {
    if (slot.attempts >= limits.crashesMax) return { kind: 'change', patch: crashLoop(slot) }
    // First come, first served: only the first in the queue asks for capacity, so that places are true.
    if (slot.queue_place !== null && slot.queue_place > 1)
      return { kind: 'wait', until: addSeconds(now, limits.retrySecondsMin) }
    return { kind: 'ensure_machine', boot: slot.phase === 'starting' ? 'repeated' : 'fresh' }
  }
  if (isOutdated(slot)) return { kind: 'ensure_machine', boot: 'fresh' }
  if (slot.phase === 'suspended') {
    if (slot.queue_place !== null && slot.queue_place > 1)
      return { kind: 'wait', until: addSeconds(now, limits.retrySecondsMin) }
    return { kind: 'resume_machine' }
  }
  if (
    !slot.ready &&
    !isRestoring(slot) &&
    slot.not_ready_since &&
    addSeconds(slot.not_ready_since, limits.neverReadySeconds) <= now
  )
    return { kind: 'change', patch: neverReady(limits) }
  if (slot.state === 'initializing' && slot.phase === 'running' && slot.ready && slot.warm && slot.address)
    return { kind: 'change', patch: { state: 'available' } }
  return observeAgain(slot, now, limits)
}

/**
 * Its supervisor, heard of since this start, has a backup's state to fetch, check and boot, which may take longer than
 * any boot; how long, restores and drills bound themselves. One that never dialled is not at work on anything.
 */
function isRestoring(slot: SlotFacts): boolean {
  const { heartbeat_at, started_at } = slot
  return slot.restore_open && heartbeat_at !== null && (started_at === null || heartbeat_at >= started_at)
}

function decideSuspended(slot: SlotFacts, now: Date, limits: LifecycleLimits): SlotAction {
  if (slot.phase === 'absent' || slot.phase === 'exited' || slot.phase === 'failed') return settled
  if (!slot.handle) return { kind: 'find_machine' }
  if (slot.phase === 'running') return { kind: 'suspend_machine' }
  const { freeze_wanted: tier } = slot
  // What is on disk already is not fetched back for a lighter sleep.
  if (slot.phase === 'suspended' && tier !== null && slot.frozen !== tier && slot.frozen !== 'disk')
    return { kind: 'freeze_machine', tier }
  return observeAgain(slot, now, limits)
}

function observeAgain(slot: SlotFacts, now: Date, limits: LifecycleLimits): SlotAction {
  const calm =
    slot.phase === 'suspended' || (slot.phase === 'running' && slot.ready && slot.link_connected_at !== null)
  const seconds = calm || slot.failure_code ? limits.observeSettledSeconds : limits.observeMovingSeconds
  const due = slot.observed_at && addSeconds(slot.observed_at, seconds)
  return due && due > now ? { kind: 'wait', until: due } : { kind: 'observe' }
}

function crashLoop(slot: SlotFacts): SlotPatch {
  return {
    failure_code: 'crashed',
    failure_message: `It stopped by itself ${slot.attempts} times in a row${slot.failure_message ? `, the last time with: ${slot.failure_message}` : '.'}`,
  }
}

function neverReady(limits: LifecycleLimits): SlotPatch {
  return {
    failure_code: 'never_ready',
    failure_message: `OpenClaw did not become ready within ${Math.round(limits.neverReadySeconds / 60)} minutes.`,
  }
}

/** Written before the driver is called, so that a crash during the call leaves a trace of it. */
export function beforeEnsure(slot: SlotFacts, boot: 'fresh' | 'repeated', now: Date): SlotPatch {
  if (boot === 'repeated') return { started_at: now, made_of: slot.spec_version }
  return {
    made_of: slot.spec_version,
    phase: 'starting',
    started_at: now,
    not_ready_since: now,
    observed_at: null,
    address: null,
    ready: false,
    warm: false,
    pending_reason: slot.pending_reason === 'no_capacity' ? 'no_capacity' : null,
    ...(slot.state === 'available' ? { state: 'initializing' as const } : {}),
  }
}

/**
 * Whether the machine needs a new one-time credential: it has none of its own yet, lost it with its state, or keeps
 * failing, for which a credential that got lost on the way is one possible reason.
 */
export function needsBootstrap(slot: SlotFacts): boolean {
  return slot.link_credential_hash === null || slot.phase === 'absent' || slot.attempts >= 2
}

export function afterEnsure(slot: SlotFacts, handle: Handle, now: Date): SlotPatch {
  return {
    handle,
    pending_reason: 'booting',
    observed_at: null,
    retry_at: null,
    waiting_since: null,
    ...(slot.ready ? {} : { not_ready_since: now }),
  }
}

/** A call that the driver could not serve is repeated, ever more slowly; one that it never will fails the slot. */
export function afterError(
  slot: SlotFacts,
  error: Pick<ComputeError, 'retryable' | 'reason' | 'message'>,
  now: Date,
  limits: LifecycleLimits,
): SlotPatch {
  if (!error.retryable && slot.wanted === 'running')
    return {
      phase: slot.handle ? slot.phase : 'absent',
      failure_code: 'rejected',
      failure_message: error.message,
      waiting_since: null,
    }
  const since = slot.waiting_since ?? now
  const waitedSeconds = (now.getTime() - since.getTime()) / 1000
  const pauseSeconds =
    error.reason === 'no_capacity'
      ? limits.retrySecondsMin
      : Math.min(limits.retrySecondsMax, Math.max(limits.retrySecondsMin, waitedSeconds / 2))
  return {
    waiting_since: since,
    pending_reason: error.reason,
    // One that only has to go on was ready all along.
    not_ready_since: slot.ready ? slot.not_ready_since : now,
    retry_at: addSeconds(now, pauseSeconds),
  }
}

export function afterObserve(
  slot: SlotFacts,
  seen: Observation,
  now: Date,
  limits: LifecycleLimits,
): SlotPatch {
  const gone = seen.phase === 'absent' || seen.phase === 'exited' || seen.phase === 'failed'
  const patch: SlotPatch = {
    phase: seen.phase,
    ...(seen.phase === 'suspended' ? {} : { frozen: null }),
    observed_at: now,
    retry_at: null,
    address: gone ? null : (seen.address ?? slot.address),
    pending_reason: seen.pendingReason ?? null,
    waiting_since: seen.pendingReason === 'no_capacity' ? (slot.waiting_since ?? now) : null,
    not_ready_since: notReadySince(slot, seen, now),
  }
  if (!gone) return patch
  // The last call did not get through, so this is no crash: the call is due again, and the wait goes on.
  if (slot.waiting_since !== null && slot.wanted === 'running' && slot.failure_code === null)
    return {
      ...patch,
      ready: false,
      warm: false,
      pending_reason: slot.pending_reason,
      waiting_since: slot.waiting_since,
    }
  return {
    ...patch,
    ready: false,
    warm: false,
    ...(slot.wanted === 'running' ? died(slot, seen, now, limits) : {}),
  }
}

/** What is not waited for yet, or is at work on a restore, has all of its time still before it. */
function notReadySince(slot: SlotFacts, seen: Observation, now: Date): Date | null {
  if (seen.pendingReason === 'no_capacity' || isRestoring(slot)) return now
  return slot.ready ? null : (slot.not_ready_since ?? now)
}

function died(slot: SlotFacts, seen: Observation, now: Date, limits: LifecycleLimits): SlotPatch {
  if (slot.failure_code !== null) return {}
  // These two stay as they are however often it is tried.
  if (seen.failure?.code === 'bad_image' || seen.failure?.code === 'configuration_invalid')
    return { failure_code: seen.failure.code, failure_message: seen.failure.message }
  const lasted = slot.started_at !== null && addSeconds(slot.started_at, limits.crashWindowSeconds) <= now
  const attempts = lasted ? 1 : slot.attempts + 1
  return {
    attempts,
    failure_message: seen.failure?.message ?? null,
    retry_at: addSeconds(now, limits.crashPauseSeconds * 2 ** (attempts - 1)),
  }
}

export function afterStop(now: Date): SlotPatch {
  return {
    phase: 'exited',
    frozen: null,
    ready: false,
    warm: false,
    address: null,
    pending_reason: null,
    observed_at: now,
    retry_at: null,
    waiting_since: null,
  }
}

export function afterSuspend(now: Date): SlotPatch {
  return { phase: 'suspended', frozen: null, observed_at: now, retry_at: null, waiting_since: null }
}

/** It goes on where it stood: what served before serves again at once, without anybody looking first. */
export function afterResume(slot: SlotFacts, now: Date): SlotPatch {
  const served = slot.ready && slot.address !== null
  return {
    phase: served ? 'running' : 'starting',
    frozen: null,
    resumed_at: now,
    not_ready_since: served ? null : now,
    observed_at: served ? now : null,
    pending_reason: null,
    retry_at: null,
    waiting_since: null,
  }
}

export function afterFreeze(tier: FreezeTier): SlotPatch {
  return { frozen: tier, retry_at: null }
}

/** It sleeps on with its memory where it is; nobody waits for this. */
export function afterFreezeError(now: Date, limits: LifecycleLimits): SlotPatch {
  return { retry_at: addSeconds(now, limits.observeSettledSeconds) }
}

export function afterRemove(): SlotPatch {
  return removed
}

/** `handle` is what the driver listed under the slot's name, if anything. */
export function afterFind(handle: Handle | undefined): SlotPatch {
  return handle ? { handle, retry_at: null } : { phase: 'absent', retry_at: null, waiting_since: null }
}
