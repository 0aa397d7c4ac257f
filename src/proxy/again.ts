import { setTimeout as delay } from 'node:timers/promises'
import { refusedHeader } from '../../supervisor/protocol.ts'
import { Refusal } from './refusal.ts'

/**
 * Why a request did not get through though nobody has begun anything of it: nobody took the connection, or the
 * supervisor said that it is about to stop or that its OpenClaw is not up.
 */
export type NotBegun = 'dial failed' | 'refused'

/** Waits between dials, in milliseconds: together about one second, the time a supervisor takes to listen again. */
const dialDelaysMilliseconds = [50, 150, 300, 500]
/** That an instance stops or restarts is known here within milliseconds, as a rule, and who waits then waits for that. */
const refusedDelaysMilliseconds = { min: 20, max: 200, growth: 1.5 }

/** For one request: resolves when it is time to send it again, and throws what to answer when it is not any more. */
export function createPatience(holdSeconds: number): (why: NotBegun) => Promise<void> {
  let dials = 0
  let refusedSince: number | undefined
  let pause = refusedDelaysMilliseconds.min
  return async (why) => {
    if (why === 'dial failed') {
      const wait = dialDelaysMilliseconds[dials++]
      if (wait === undefined) throw unreachable()
      await delay(wait)
      return
    }
    refusedSince ??= performance.now()
    if (performance.now() - refusedSince > holdSeconds * 1000) throw notUp()
    await delay(pause)
    pause = Math.min(pause * refusedDelaysMilliseconds.growth, refusedDelaysMilliseconds.max)
  }
}

/** The supervisor's own word that it has begun nothing. `raw` are name, value, name, value. */
export function isNotBegun(status: number, raw: readonly string[]): boolean {
  return status === 503 && raw.some((text, index) => index % 2 === 0 && text.toLowerCase() === refusedHeader)
}

function unreachable(): Refusal {
  return new Refusal(
    502,
    'instance_unreachable',
    'Your OpenClaw does not answer. Try again in a few seconds; if it stays, restart it in the dashboard.',
    2,
  )
}

/** For what cannot be held any longer, or was too large to be kept meanwhile. */
export function notUp(): Refusal {
  return new Refusal(
    503,
    'instance_starting',
    'Your OpenClaw stops or starts just now, and nothing of what you sent was begun. Send it again in a few seconds.',
    3,
  )
}
