import type { LaunchStep } from '../../db/schema.ts'

const order: LaunchStep['name'][] = [
  'requested',
  'credits_checked',
  'slot_claimed',
  'machine_started',
  'openclaw_ready',
  'running',
]

/**
 * The steps of a launch once `current` is under way: what lies before it is finished, it itself is begun, and what
 * lies behind it has not happened, even if it had before a crash. With `running` the launch is complete.
 */
export function advanceSteps(steps: LaunchStep[], current: LaunchStep['name'], now: Date): LaunchStep[] {
  const at = now.toISOString()
  const currentIndex = order.indexOf(current)
  // A machine that goes back from running starts a launch of its own, of which nobody asked for the first steps.
  const complete = steps.at(-1)?.name === 'running'
  if (complete && current === 'running') return steps
  const known = complete ? [] : steps
  const begun = known[0] ? order.indexOf(known[0].name) : 0
  const first = complete ? currentIndex : Math.min(begun, currentIndex)
  const advanced: LaunchStep[] = []
  for (const [index, name] of order.entries()) {
    if (index < first || index > currentIndex) continue
    const before = known.find((step) => step.name === name)
    const startedAt = before?.startedAt ?? advanced.at(-1)?.finishedAt ?? at
    if (index < currentIndex) advanced.push({ name, startedAt, finishedAt: before?.finishedAt ?? at })
    else if (current === 'running') advanced.push({ name, startedAt: at, finishedAt: at })
    else if (before && before.finishedAt === null) advanced.push(before)
    else advanced.push({ name, startedAt: before ? at : startedAt, finishedAt: null })
  }
  return advanced
}
