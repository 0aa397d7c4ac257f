import type { InstanceStatus, SlotPhase } from '../../db/schema.ts'
import type { RuntimeState } from '../../db/tables/usage.ts'

/**
 * How long an instance has been in which state. Two records are laid over each other: ours says between which moments
 * it ran, its supervisor's own count says how much of that it served. Only what both say is charged, so that neither a
 * heartbeat that is lost, late or repeated, nor a clock that is wrong, nor an outage of the control plane loses time or
 * invents any. Both are cumulative: whatever was missed comes with the next report.
 */
export interface RuntimeMeter {
  /** What its time is charged as; null while it boots, which costs nothing. */
  state: RuntimeState | null
  /** All times are milliseconds since 1970 by the database's clock. */
  meteredUntil: number
  /** Measured and not yet charged. */
  runningMs: number
  suspendedMs: number
  storedMs: number
  /** It ran so much longer by our record than its supervisor has accounted for. */
  unprovenMs: number
  /** Of that, what it may have served between its last report and its end; zero while it runs. */
  unheardMs: number
  /** When its supervisor last said anything. */
  reportedAt: number
  /** As much of the supervisor's count as was taken, and which counter that is; null for a supervisor that does not count. */
  servedMs: number
  run: string | null
}

/** A supervisor's count of how long its OpenClaw has served. A counter that began anew has another `run`. */
export interface Served {
  run: string
  ms: number
}

/** A supervisor that does not count is believed to have served since its last sign of life, if that was not long ago. */
const uncountedMsMax = 15_000
/** A report may have been so long on its way to us, while the database was away; whatever else it left out was not served. */
const reportDelayMsMax = 60_000

export function newMeter(now: number): RuntimeMeter {
  return {
    state: null,
    meteredUntil: now,
    runningMs: 0,
    suspendedMs: 0,
    storedMs: 0,
    unprovenMs: 0,
    unheardMs: 0,
    reportedAt: now,
    servedMs: 0,
    run: null,
  }
}

/** What its supervisor has just said: its count, or null when it lives but does not count. */
export function countServed(meter: RuntimeMeter, served: Served | null, now: number): RuntimeMeter {
  const advanced = { ...advance(meter, now), reportedAt: now, unheardMs: 0 }
  if (served === null) return advanced.run === null ? proveUncounted(advanced) : advanced
  // A counter that we did not know counts for this instance from its beginning.
  const known = served.run === advanced.run ? advanced : { ...advanced, run: served.run, servedMs: 0 }
  const proven = Math.min(Math.max(0, served.ms - known.servedMs), known.unprovenMs)
  return {
    ...known,
    runningMs: known.runningMs + proven,
    // Of one that has ended nothing more comes than what was on its way already.
    unprovenMs: Math.min(
      known.unprovenMs - proven,
      known.state === 'running' ? Number.POSITIVE_INFINITY : reportDelayMsMax,
    ),
    // What runs ahead of our own record, by the way of a report or by a lie, is taken when that has caught up.
    servedMs: known.servedMs + proven,
  }
}

/** `baseline` is the supervisor's count at this moment, null for one that does not count or has not said anything yet. */
export function enterState(
  meter: RuntimeMeter,
  state: RuntimeState | null,
  baseline: Served | null,
  now: number,
): RuntimeMeter {
  const advanced = advance(meter, now)
  if (state === advanced.state) return advanced
  if (state === 'running') return { ...rebase(advanced, baseline), state, unheardMs: 0 }
  const left = advanced.state === 'running' ? leaveRunning(advanced) : advanced
  // It gets a machine, perhaps another one, which may have served in the pool before.
  return { ...(state === null && baseline ? rebase(left, baseline) : left), state }
}

function leaveRunning(meter: RuntimeMeter): RuntimeMeter {
  if (meter.run === null) return proveUncounted(meter)
  // One that counts says itself what it served until then, also afterwards.
  const sinceReport = meter.meteredUntil - meter.reportedAt
  return {
    ...meter,
    unprovenMs: Math.min(meter.unprovenMs, sinceReport + reportDelayMsMax),
    unheardMs: sinceReport > lastWordMsMax ? Math.min(meter.unprovenMs, sinceReport) : 0,
  }
}

/** The same counter goes on where it was; what another one says begins with what it says now. */
function rebase(meter: RuntimeMeter, baseline: Served | null): RuntimeMeter {
  if (baseline !== null && baseline.run === meter.run) return meter
  const { ms = 0, run = null } = baseline ?? {}
  return { ...meter, unprovenMs: 0, unheardMs: 0, servedMs: ms, run, reportedAt: meter.meteredUntil }
}

/** Brings our own record up to now. */
export function advance(meter: RuntimeMeter, now: number): RuntimeMeter {
  const elapsed = Math.max(0, now - meter.meteredUntil)
  const advanced = { ...meter, meteredUntil: Math.max(now, meter.meteredUntil) }
  switch (meter.state) {
    case 'running':
      return { ...advanced, unprovenMs: meter.unprovenMs + elapsed }
    case 'suspended':
      return { ...advanced, suspendedMs: meter.suspendedMs + elapsed }
    case 'stored':
      return { ...advanced, storedMs: meter.storedMs + elapsed }
    default:
      // Booting is not serving, and a boot that ended while nobody looked shows in the count.
      return meter.run === null ? advanced : { ...advanced, unprovenMs: meter.unprovenMs + elapsed }
  }
}

function proveUncounted(meter: RuntimeMeter): RuntimeMeter {
  const proven = Math.min(uncountedMsMax, meter.unprovenMs)
  return { ...meter, runningMs: meter.runningMs + proven, unprovenMs: 0 }
}

/** What may have been served and is not accounted for yet. */
export function unaccountedMs(meter: RuntimeMeter): number {
  const { state, unprovenMs, unheardMs, reportedAt, meteredUntil } = meter
  if (state === 'running') return Math.min(unprovenMs, meteredUntil - reportedAt + heartbeatMsMax)
  // It has ended while nobody listened: what it served until then comes with its next start.
  return unheardMs
}

/** An orderly end is seen so soon after its supervisor's last report. */
const lastWordMsMax = 2_000
/** Between two reports, with their ways. */
const heartbeatMsMax = 10_000

/**
 * What an instance's time is charged as. Booting is free; ending is not, since turns are still being finished then.
 * `ended`: it is deleted, and nothing more will be charged.
 */
export function runtimeStateOf(
  status: InstanceStatus,
  phase: SlotPhase | null,
  before: RuntimeState | null,
): RuntimeState | null | 'ended' {
  if (status === 'deleted') return 'ended'
  if (status === 'provisioning') return null
  if (phase === null || phase === 'absent' || phase === 'exited' || phase === 'failed') return 'stored'
  if (phase === 'suspended') return 'suspended'
  if (status === 'running') return 'running'
  // Its machine is on its way, up or down: what ran goes on to cost until it has ended.
  return before === 'running' && status !== 'failed' ? 'running' : null
}
