import { Moon } from 'lucide-react'
import type { ReactNode } from 'react'
import type { Instance } from '../../api/types.ts'
import { isAsleep, isStarting } from '../../app/instance-state.ts'
import { rungs } from '../../app/rungs.ts'
import { launchSteps } from '../provision/launch-steps.ts'

/** Above a chat whose instance sleeps or is on its way: nothing is wrong, and one can write already. */
export function WakeNotice({ instance }: { instance: Instance }) {
  if (isAsleep(instance) && instance.sleep)
    return (
      <Line icon={<Moon size={15} className="text-lagoon" />}>
        Your OpenClaw is asleep. It wakes with your first message, {rungs[instance.sleep.rung].wakes}.
      </Line>
    )
  if (!isStarting(instance)) return null
  const step = launchSteps(instance.steps, 0).find(({ state }) => state === 'active')
  return (
    <Line icon={<span className="block size-2.5 animate-breathe rounded-full bg-coral" />}>
      Your OpenClaw is waking{step ? `: ${lowerFirst(step.label)}` : ''}. What you send waits for it.{' '}
      {instance.reason?.message}
    </Line>
  )
}

function Line({ icon, children }: { icon: ReactNode; children: ReactNode }) {
  return (
    <div className="mx-auto w-full max-w-3xl px-4 pb-1 sm:px-6">
      <p
        role="status"
        className="flex items-center gap-2.5 rounded-[0.625rem] border border-line bg-surface px-3.5 py-2 text-sm text-ink-soft"
      >
        <span className="shrink-0">{icon}</span>
        <span className="min-w-0">{children}</span>
      </p>
    </div>
  )
}

function lowerFirst(text: string): string {
  return text.startsWith('OpenClaw') ? text : text.charAt(0).toLowerCase() + text.slice(1)
}
