import { instanceSchema } from '../http/schemas/instances.ts'
import type { ReefClient } from './client.ts'
import type { Instance } from './context.ts'
import { CliError } from './failure.ts'
import type { StepDisplay } from './steps.ts'

const pollMilliseconds = 300

/** A cold boot on a slow machine takes about a minute; after this the person should look instead of wait. */
const waitMillisecondsMax = 10 * 60_000

const stepTitles: Record<string, string> = {
  requested: 'Requested',
  credits_checked: 'Credits checked',
  slot_claimed: 'Slot claimed',
  machine_started: 'Machine started',
  openclaw_ready: 'OpenClaw ready',
  running: 'Running',
}

/**
 * Waits until the instance is in one of the wanted states, showing its launch steps on the way. Throws with its reason
 * when it fails, or when it is told to stop by somebody else meanwhile.
 */
export async function waitForInstance(
  client: ReefClient,
  instance: Instance,
  wanted: Instance['status'],
  display?: StepDisplay,
): Promise<Instance> {
  const deadline = Date.now() + waitMillisecondsMax
  const shown = new Map<string, 'start' | 'done'>()
  let current = instance
  try {
    for (;;) {
      if (wanted === 'running' && display) showSteps(current, shown, display)
      if (current.status === wanted) return current
      // Stopped with a reason: nobody pays for it, which waiting does not change.
      const isHeld = wanted === 'running' && current.status === 'stopped' && current.reason !== null
      if (current.status === 'failed' || isHeld)
        throw new CliError(
          'failed',
          `${current.slug} ${isHeld ? 'does not run' : 'failed'}. ${current.reason?.message ?? 'See: reef logs'}`,
          {
            ...(current.reason ? { code: current.reason.code } : {}),
          },
        )
      if (Date.now() > deadline)
        throw new CliError(
          'failed',
          `${current.slug} is still ${current.status} after ${waitMillisecondsMax / 60_000} minutes. ` +
            `${current.reason?.message ?? 'See: reef logs'}`,
        )
      await new Promise((done) => setTimeout(done, pollMilliseconds))
      current = await client.call(`/api/instances/${instance.id}`, { answer: instanceSchema })
    }
  } finally {
    display?.end()
  }
}

function showSteps(instance: Instance, shown: Map<string, 'start' | 'done'>, display: StepDisplay): void {
  for (const step of instance.steps) {
    const name = stepTitles[step.name] ?? step.name
    const state = step.finishedAt ? 'done' : 'start'
    if (shown.get(step.name) === state || shown.get(step.name) === 'done') continue
    shown.set(step.name, state)
    display.show({
      name,
      state,
      ...(step.finishedAt
        ? { milliseconds: Date.parse(step.finishedAt) - Date.parse(step.startedAt) }
        : instance.reason
          ? { detail: instance.reason.message }
          : {}),
    })
  }
}
