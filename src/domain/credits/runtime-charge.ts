import type { RuntimeState } from '../../db/tables/usage.ts'
import { costOfRuntime, type RuntimePrice } from './prices.ts'
import { advance, type RuntimeMeter, unaccountedMs } from './runtime-meter.ts'

/** How far ahead runtime is paid for. */
export interface RuntimeTimes {
  /** Between two charges of what runs, and of what only sleeps. */
  windowSeconds: number
  sleepSeconds: number
  /** How long supervisors go on without a control plane: with plenty of credits that much is held beyond the window. */
  leaseSeconds: number
  /** From the decision to end an instance to its end: the lease's shortest step, the grace for turns, the stop itself. */
  drainSeconds: number
  /** What an instance must be able to pay before it is started. */
  firstSeconds: number
}

export const runtimeTimes: Omit<RuntimeTimes, 'leaseSeconds'> = {
  windowSeconds: 300,
  sleepSeconds: 3600,
  drainSeconds: 45,
  firstSeconds: 60,
}

/** One instance with its time, for a charge. */
export interface MeteredInstance {
  instanceId: string
  meter: RuntimeMeter
  price: RuntimePrice
  /** Of the time that was measured, where prices have changed since it began. */
  priceBefore?: RuntimePrice | undefined
  /** It boots, and will run in a moment: what it was asked for is held from now on. */
  starts: boolean
}

export interface ChargeFacts {
  instances: readonly MeteredInstance[]
  /** What is held for this organization's runtime, and what is there beside it. */
  held: number
  available: number
  /** Its instances are being ended or have been, for lack of credits. */
  onHold: boolean
  /** Somebody has set a limit, so that what is spent must be known sooner. */
  hasBudgets: boolean
  now: number
}

export interface ChargeLine {
  instanceId: string
  state: RuntimeState
  ms: number
  cost: number
}

export interface ChargeDecision {
  lines: ChargeLine[]
  /** The sum of the lines. */
  cost: number
  /** Gives back what is held after the cost is taken. */
  release: boolean
  /** To be held beyond that, as far as it is there. */
  reserve: number
  /** What pays for what runs has run out: everything must end now. */
  exhausted: boolean
  coveredUntil: number | null
  chargeAt: number | null
  /** As they are after the charge. */
  meters: Map<string, RuntimeMeter>
}

/** While credits last, runtime holds back at most this part of them; the rest is for models. */
const heldPart = 0.1
/** Holding a little too much is better than a transfer back at every turn. */
const surplusFactor = 1.5
/** A remainder that is shorter is not worth another look. */
export const coverSecondsMin = 0.25
/** What is only stored is charged a few times a day. */
const storedSeconds = 6 * 3600
/** Where there are budgets, what was spent of them shows so soon, and people are told of it. */
export const budgetSeconds = 60
/** While instances end for lack of credits: how soon to look whether they have. */
export const endingSeconds = 5

/**
 * What an organization pays for the time that was measured since its last charge, and what is to be held for what
 * comes. Pure: whoever carries it out does all of it in one transaction, or nothing.
 */
export function decideCharge(facts: ChargeFacts, times: RuntimeTimes): ChargeDecision {
  const { now } = facts
  const advanced = facts.instances.map((one) => ({ ...one, meter: advance(one.meter, now) }))
  const lines = waive(advanced.flatMap(linesOf), facts)
  const cost = lines.reduce((sum, line) => sum + line.cost, 0)
  const held = Math.max(0, facts.held - cost)
  const available = facts.available - Math.max(0, cost - facts.held)
  const burn = burnOf(advanced, times)
  const target = facts.onHold ? burn.drain + burn.pending : targetOf(held + available, burn, times)
  const release = held > target * surplusFactor || (target === 0 && held > 0)
  const afterRelease = release ? { held: 0, available: available + held } : { held, available }
  // Nothing is added for what is being ended.
  const reserve = facts.onHold && !release ? 0 : Math.max(0, target - afterRelease.held)
  const heldAfter = afterRelease.held + Math.min(reserve, Math.max(0, afterRelease.available))
  const coverSeconds = coverOf(heldAfter, burn)
  const exhausted = !facts.onHold && burn.perHour > 0 && coverSeconds < coverSecondsMin
  return {
    lines,
    cost,
    release,
    reserve,
    exhausted,
    coveredUntil: burn.runs && Number.isFinite(coverSeconds) ? Math.floor(now + coverSeconds * 1000) : null,
    chargeAt: nextChargeAt(
      facts,
      advanced,
      burn,
      { coverSeconds, isShort: heldAfter < target, exhausted },
      times,
    ),
    meters: new Map(advanced.map(({ instanceId, meter }) => [instanceId, charged(meter)])),
  }
}

/** What an instance must find before it is started. */
export function costOfFirstWindow(price: RuntimePrice, times: RuntimeTimes): number {
  return costOfRuntime(price, 'running', Math.ceil((times.firstSeconds + times.drainSeconds) * 1000))
}

function linesOf({ instanceId, meter, price, priceBefore = price }: MeteredInstance): ChargeLine[] {
  const measured: Record<RuntimeState, number> = {
    running: meter.runningMs,
    suspended: meter.suspendedMs,
    stored: meter.storedMs,
  }
  return (Object.keys(measured) as RuntimeState[])
    .map((state) => ({
      instanceId,
      state,
      ms: measured[state],
      cost: costOfRuntime(priceBefore, state, measured[state]),
    }))
    .filter(({ ms }) => ms > 0)
}

/** Whoever has no credits left keeps what is stored, and owes nothing for it. */
function waive(lines: ChargeLine[], { held, available }: ChargeFacts): ChargeLine[] {
  const total = lines.reduce((sum, line) => sum + line.cost, 0)
  if (total <= held + available) return lines
  return lines.map((line) => (line.state === 'stored' ? { ...line, cost: 0 } : line))
}

export interface Burn {
  /** Micro-credits per hour of everything that runs or sleeps with its memory. */
  perHour: number
  /** What ending all of that costs. */
  drain: number
  /**
   * What may have been served and is not accounted for yet, at most until the lease ran out. Of what ended while every
   * control plane was away it comes with the next start.
   */
  pending: number
  runs: boolean
}

function burnOf(instances: readonly MeteredInstance[], times: RuntimeTimes): Burn {
  const burn: Burn = { perHour: 0, drain: 0, pending: 0, runs: false }
  for (const instance of instances) {
    const { perHour, drain, pending, runs } = burnOfInstance(instance, times)
    burn.perHour += perHour
    burn.drain += drain
    burn.pending += pending
    burn.runs ||= runs
  }
  return burn
}

/** Of one whose meter was brought up to now. */
export function burnOfInstance(
  { meter, price, starts }: Omit<MeteredInstance, 'instanceId'>,
  times: RuntimeTimes,
): Burn {
  const state = starts ? 'running' : meter.state
  const burns = state === 'running' || state === 'suspended'
  const servedMsMax = (times.leaseSeconds + times.drainSeconds) * 1000
  return {
    perHour: burns ? price[state] : 0,
    // One that sleeps is woken to end.
    drain: burns ? costOfRuntime(price, 'running', times.drainSeconds * 1000) : 0,
    pending: costOfRuntime(price, 'running', Math.min(unaccountedMs(meter), servedMsMax)),
    runs: state === 'running',
  }
}

function targetOf(total: number, burn: Burn, times: RuntimeTimes): number {
  const ahead = burn.runs ? aheadSeconds(total, burn.perHour, times) : times.sleepSeconds
  return Math.ceil((burn.perHour * ahead) / 3600) + burn.drain + burn.pending
}

/** How far ahead to hold, of so much that there is in all. */
export function aheadSeconds(total: number, perHour: number, times: RuntimeTimes): number {
  if (perHour === 0) return 0
  const affordable = ((total * heldPart) / perHour) * 3600
  return Math.min(times.windowSeconds + times.leaseSeconds, Math.max(times.firstSeconds, affordable))
}

function coverOf(held: number, burn: Burn): number {
  if (burn.perHour === 0) return Number.POSITIVE_INFINITY
  return ((held - burn.drain - burn.pending) / burn.perHour) * 3600
}

function nextChargeAt(
  { now, onHold, hasBudgets }: ChargeFacts,
  instances: readonly MeteredInstance[],
  burn: Burn,
  cover: { coverSeconds: number; isShort: boolean; exhausted: boolean },
  times: RuntimeTimes,
): number | null {
  const after = (seconds: number) => Math.ceil(now + seconds * 1000)
  if (onHold || cover.exhausted) return burn.perHour > 0 ? after(endingSeconds) : storedAt(instances, after)
  if (burn.perHour === 0) return storedAt(instances, after)
  // What is left is all that there is: it is cut exactly when that is used up.
  if (cover.isShort) return after(Math.min(times.windowSeconds, Math.max(0, cover.coverSeconds)))
  const usual = burn.runs ? times.windowSeconds : times.sleepSeconds
  const window = hasBudgets ? Math.min(usual, budgetSeconds) : usual
  return after(Math.min(window, cover.coverSeconds / 2))
}

function storedAt(instances: readonly MeteredInstance[], after: (seconds: number) => number): number | null {
  const costs = instances.some(({ meter, price }) => meter.state === 'stored' && price.stored > 0)
  return costs ? after(storedSeconds) : null
}

function charged(meter: RuntimeMeter): RuntimeMeter {
  return { ...meter, runningMs: 0, suspendedMs: 0, storedMs: 0 }
}
