import { Check, X } from 'lucide-react'
import { cn } from './class-names.ts'
import { durationText } from './time.tsx'

export interface Step {
  name: string
  label: string
  state: 'waiting' | 'active' | 'done' | 'failed'
  /** Of a finished or a running step, where it is known. */
  durationMs: number | null
}

/** The steps of something that takes a while: what is done, what runs, and what is still to come. */
export function StepList({ label, steps }: { label: string; steps: Step[] }) {
  return (
    <ol aria-label={label} className="space-y-0.5">
      {/* Read out when it changes; the running times would be read out ten times a second. */}
      <li role="status" className="sr-only">
        {steps.find(({ state }) => state === 'active')?.label}
      </li>
      {steps.map((step) => (
        <li
          key={step.name}
          aria-current={step.state === 'active' ? 'step' : undefined}
          className={cn(
            'flex min-h-9 items-center gap-3 py-1 text-sm',
            step.state === 'waiting' && 'text-ink-faint',
          )}
        >
          <span className="flex size-5 shrink-0 items-center justify-center">
            <StepMark state={step.state} />
          </span>
          <span className={cn('min-w-0', step.state === 'active' && 'font-medium')}>{step.label}</span>
          {step.durationMs !== null && (
            <span className="ml-auto shrink-0 text-[0.8125rem] text-ink-faint tabular-nums">
              {durationText(step.durationMs)}
            </span>
          )}
        </li>
      ))}
    </ol>
  )
}

function StepMark({ state }: { state: Step['state'] }) {
  switch (state) {
    case 'done':
      return <Check size={16} className="text-good" />
    case 'failed':
      return <X size={16} className="text-bad" />
    case 'active':
      return <span className="size-2.5 animate-breathe rounded-full bg-coral" />
    case 'waiting':
      return <span className="size-1.5 rounded-full bg-line-strong" />
  }
}
