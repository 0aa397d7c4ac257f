import { Moon, Sunrise } from 'lucide-react'
import type { ReactNode } from 'react'
import type { Instance, Sleep } from '../../api/types.ts'
import { useInstanceChange } from '../../app/instance-actions.ts'
import { rungs } from '../../app/rungs.ts'
import { Button } from '../../ui/button.tsx'
import { RelativeTime } from '../../ui/time.tsx'

/** How it sleeps: nothing is wrong, what it costs meanwhile, what is kept, and how it wakes. */
export function SleepCard({ instance, sleep }: { instance: Instance; sleep: Sleep }) {
  const change = useInstanceChange(instance.id)
  const { title, text, wakes } = rungs[sleep.rung]
  return (
    <section
      aria-label="Sleep"
      className="rounded-card border border-lagoon/20 bg-lagoon-soft px-5 py-4 shadow-card"
    >
      <div className="flex flex-wrap items-center gap-x-4 gap-y-3">
        <Moon size={20} className="hidden shrink-0 text-lagoon sm:block" />
        <div className="min-w-0 flex-1 basis-60">
          <h2 className="text-[0.9375rem]">{title}</h2>
          <p className="mt-0.5 text-sm text-ink-soft">
            {text} Any message or visit wakes it {wakes}.
          </p>
        </div>
        <Button
          icon={<Sunrise size={15} />}
          pending={change.isPending}
          onClick={() => change.mutate('start')}
        >
          Wake now
        </Button>
      </div>
      <dl className="mt-4 grid gap-x-6 gap-y-3 border-t border-lagoon/15 pt-3.5 sm:grid-cols-2">
        <Fact label="Since">
          <RelativeTime at={sleep.since} />
        </Fact>
        <Fact label="Wakes by itself">
          {sleep.wakesAt ? (
            <>
              <RelativeTime at={sleep.wakesAt} />, for what it has planned
            </>
          ) : (
            'No, only when it is needed'
          )}
        </Fact>
        <Fact label="Billed meanwhile">{sleep.billed}</Fact>
        <Fact label="What is kept">{sleep.survives}</Fact>
      </dl>
    </section>
  )
}

function Fact({ label, children }: { label: string; children: ReactNode }) {
  return (
    <div>
      <dt className="text-[0.8125rem] text-ink-faint">{label}</dt>
      <dd className="text-sm">{children}</dd>
    </div>
  )
}
