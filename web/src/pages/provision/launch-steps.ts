import type { Instance } from '../../api/types.ts'

/** The steps of a launch in their order, as the server names them and as a person reads them. */
const known = [
  ['requested', 'Request accepted'],
  ['credits_checked', 'Credits checked'],
  ['slot_claimed', 'Slot claimed'],
  ['machine_started', 'Machine started'],
  ['openclaw_ready', 'OpenClaw ready'],
  ['running', 'Handed over to you'],
] as const

export interface LaunchStep {
  name: string
  label: string
  state: 'waiting' | 'active' | 'done'
  /** Of a finished or a running step. */
  durationMs: number | null
}

/**
 * What to show of a launch. Steps that the server skipped because a warm slot had them behind it already count as done
 * once a later one is; a step that this dashboard does not know still shows, under the server's own name.
 */
export function launchSteps(steps: Instance['steps'], nowMs: number): LaunchStep[] {
  const reported = new Map(steps.map((step) => [step.name, step]))
  const unknown = steps.filter((step) => !known.some(([name]) => name === step.name))
  const names = [
    ...known.map(([name, label]) => ({ name, label })),
    ...unknown.map(({ name }) => ({ name, label: words(name) })),
  ]
  const reached = names.findLastIndex(({ name }) => reported.has(name))
  return names.map(({ name, label }, index) => {
    const step = reported.get(name)
    if (!step) return { name, label, state: index < reached ? 'done' : 'waiting', durationMs: null }
    const endMs = step.finishedAt ? Date.parse(step.finishedAt) : nowMs
    return {
      name,
      label,
      state: step.finishedAt ? 'done' : 'active',
      durationMs: Math.max(0, endMs - Date.parse(step.startedAt)),
    }
  })
}

function words(name: string): string {
  const text = name.replaceAll('_', ' ')
  return text.charAt(0).toUpperCase() + text.slice(1)
}
