import { setTimeout as delay } from 'node:timers/promises'
import type { InstanceTarget } from '../domain/instances/target.ts'
import { impossible, notFound } from '../errors.ts'
import type { FindTarget } from './access.ts'
import { Refusal } from './refusal.ts'
import type { Upstream, UpstreamOf } from './upstream.ts'

const pollMilliseconds = 150

/**
 * The upstream of a target, waiting up to `holdSeconds` for one that is starting or restarting. What a person stopped
 * stays stopped: traffic never starts anything. Throws a 503 that says what to do.
 */
export function reach(
  find: FindTarget,
  fresh: boolean,
  options: { upstreamOf: UpstreamOf; holdSeconds: number; signal: () => AbortSignal },
): Upstream | Promise<Upstream> {
  const first = find(fresh)
  if (!(first instanceof Promise)) {
    const upstream = openUpstream(first, options.upstreamOf)
    if (upstream) return upstream
  }
  return hold(first, find, options)
}

async function hold(
  first: InstanceTarget | Promise<InstanceTarget>,
  find: FindTarget,
  options: { upstreamOf: UpstreamOf; holdSeconds: number; signal: () => AbortSignal },
): Promise<Upstream> {
  const until = performance.now() + options.holdSeconds * 1000
  let target = await first
  for (;;) {
    const upstream = openUpstream(target, options.upstreamOf)
    if (upstream) return upstream
    if (performance.now() >= until)
      throw new Refusal(503, 'instance_starting', 'Your OpenClaw is starting. Try again in a few seconds.', 3)
    await delay(pollMilliseconds, undefined, { signal: options.signal() })
    target = await find(true)
  }
}

/** Undefined while waiting may help. */
function openUpstream(target: InstanceTarget, upstreamOf: UpstreamOf): Upstream | undefined {
  switch (target.status) {
    case 'running':
      return target.ready ? upstreamOf(target) : undefined
    case 'provisioning':
      return undefined
    case 'suspended':
    case 'stopping':
    case 'stopped':
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
