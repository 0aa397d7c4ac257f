import { setTimeout as delay } from 'node:timers/promises'
import { holdReason } from '../domain/credits/holds.ts'
import type { InstanceTarget } from '../domain/instances/target.ts'
import { impossible, notFound } from '../errors.ts'
import type { FindTarget } from './access.ts'
import { Refusal } from './refusal.ts'
import type { Upstream, UpstreamOf } from './upstream.ts'

export interface ReachOptions {
  upstreamOf: UpstreamOf
  /** Tells that somebody uses the instance, and wakes one that sleeps. */
  attendance: ProxyAttendance
  asker: Asker
  /** How long a request waits for an instance that wakes or starts. */
  holdSeconds: number
  signal: () => AbortSignal
}

/** The part of the domain's attendance that the proxy needs. */
export interface ProxyAttendance {
  wake(instanceId: string, who: 'person' | 'program'): Promise<void>
  seen(instanceId: string): void
}

/**
 * Who asks. A person wakes an instance and keeps it awake; a service's call wakes it, and keeps it awake only once
 * OpenClaw has believed it; a tab that nobody looks at does neither.
 */
export type Asker = 'person' | 'service' | 'tab'

/** A suspended instance wakes within a tenth of a second, so the first looks come quickly; a boot takes half a minute. */
const pollMillisecondsMin = 10
const pollMillisecondsMax = 200
const pollGrowth = 1.25
/** A wake whose outcome got lost is asked for again. */
const wakeAgainMilliseconds = 2_000

/**
 * The upstream of a target, waiting up to `holdSeconds` for one that is starting or restarting, and waking one that
 * sleeps though its owner wants it running. What a person stopped stays stopped, whatever comes for it. Throws a 503
 * that says what to do.
 */
export function reach(find: FindTarget, fresh: boolean, options: ReachOptions): Upstream | Promise<Upstream> {
  const first = find(fresh)
  if (!(first instanceof Promise)) {
    const upstream = openUpstream(first, options)
    if (upstream) return upstream
  }
  return hold(first, find, options)
}

async function hold(
  first: InstanceTarget | Promise<InstanceTarget>,
  find: FindTarget,
  options: ReachOptions,
): Promise<Upstream> {
  const until = performance.now() + options.holdSeconds * 1000
  let target = await first
  let wakeAt = 0
  for (let pause = pollMillisecondsMin; ; pause = Math.min(pause * pollGrowth, pollMillisecondsMax)) {
    const upstream = openUpstream(target, options)
    if (upstream) return upstream
    const now = performance.now()
    if (now >= until) throw stillStarting(target)
    if (target.asleep && options.asker === 'tab') throw asleep()
    if (target.asleep && now >= wakeAt) {
      wakeAt = now + wakeAgainMilliseconds
      // Not waited for: who goes away meanwhile needs no answer, and what it has done shows in the target.
      void options.attendance.wake(target.instanceId, options.asker === 'person' ? 'person' : 'program')
    }
    await delay(pause, undefined, { signal: options.signal() })
    target = await find(true)
  }
}

/**
 * For a request that does not itself count as use: let down just as it came, its instance holds it in a machine that
 * stands still. So whoever waits for an answer looks now and then whether it sleeps, and wakes it.
 */
export function wakeUntilAnswered(
  find: FindTarget,
  attendance: ProxyAttendance,
  isOver: () => boolean,
  pause = wakeAgainMilliseconds / 2,
): void {
  const look = async (): Promise<void> => {
    if (isOver()) return
    const target = await find(true)
    if (target.asleep) await attendance.wake(target.instanceId, 'program')
    wakeUntilAnswered(find, attendance, isOver, pause * 2)
  }
  // Gone, or not to be found out just now: nobody can be woken.
  setTimeout(() => look().catch(() => undefined), pause).unref()
}

function held(hold: NonNullable<InstanceTarget['hold']>): Refusal {
  const { code, message } = holdReason(hold)
  return new Refusal(402, code, message)
}

function asleep(): Refusal {
  return new Refusal(
    503,
    'instance_asleep',
    'Your OpenClaw sleeps, because nobody has used it for a while. Open its page anew to wake it.',
    30,
  )
}

function stillStarting(target: InstanceTarget): Refusal {
  return target.reason
    ? new Refusal(503, 'instance_waiting', `Your OpenClaw is waking. ${target.reason}`, 10)
    : new Refusal(503, 'instance_starting', 'Your OpenClaw is starting. Try again in a few seconds.', 3)
}

/** Undefined while waiting may help. */
function openUpstream(
  target: InstanceTarget,
  { upstreamOf, attendance, asker }: ReachOptions,
): Upstream | undefined {
  // Also while it is still ending: nobody begins what nobody pays for.
  if (target.hold !== null) throw held(target.hold)
  switch (target.status) {
    case 'running': {
      if (!target.ready || target.asleep) return undefined
      const upstream = upstreamOf(target)
      if (upstream && asker === 'person') attendance.seen(target.instanceId)
      return upstream
    }
    case 'provisioning':
      return undefined
    case 'suspended':
    case 'stopping':
    case 'stopped':
      // On its way down or up again: what a person stopped is not.
      if (target.wanted) return undefined
      throw new Refusal(
        503,
        'instance_stopped',
        'Your OpenClaw is stopped. Start it in the dashboard, then try again.',
        30,
      )
    case 'failed':
      throw new Refusal(
        503,
        'instance_failed',
        'Your OpenClaw does not run. The dashboard says why; restart it there.',
        30,
      )
    case 'deleting':
    case 'deleted':
      throw notFound('deleted')
    default:
      return impossible(target.status)
  }
}
