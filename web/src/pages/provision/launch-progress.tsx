import { Check } from 'lucide-react'
import type { Instance } from '../../api/types.ts'
import { cn } from '../../ui/class-names.ts'
import { durationText, useNow } from '../../ui/time.tsx'
import { launchSteps } from './launch-steps.ts'

/** The steps of a launch with their times, live. */
export function LaunchProgress({ steps }: { steps: Instance['steps'] }) {
  const nowMs = useNow(100)
  const shown = launchSteps(steps, nowMs)
  return (
    <ol aria-label="Steps" className="space-y-0.5">
      {/* Read out when it changes; the running times would be read out ten times a second. */}
      <li role="status" className="sr-only">
        {shown.find(({ state }) => state === 'active')?.label}
      </li>
      {shown.map((step) => (
        <li
          key={step.name}
          aria-current={step.state === 'active' ? 'step' : undefined}
          className={cn('flex h-9 items-center gap-3 text-sm', step.state === 'waiting' && 'text-ink-faint')}
        >
          <span className="flex size-5 items-center justify-center">
            {step.state === 'done' && <Check size={16} className="text-good" />}
            {step.state === 'active' && <span className="size-2.5 animate-breathe rounded-full bg-coral" />}
            {step.state === 'waiting' && <span className="size-1.5 rounded-full bg-line-strong" />}
          </span>
          <span className={cn(step.state === 'active' && 'font-medium')}>{step.label}</span>
          {step.durationMs !== null && (
            <span className="ml-auto text-[0.8125rem] text-ink-faint tabular-nums">
              {durationText(step.durationMs)}
            </span>
          )}
        </li>
      ))}
    </ol>
  )
}
