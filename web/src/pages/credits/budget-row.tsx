import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { call } from '../../api/client.ts'
import { creditsKey } from '../../api/credits.ts'
import type { Budget } from '../../api/types.ts'
import { Button } from '../../ui/button.tsx'
import { cn } from '../../ui/class-names.ts'
import { ConfirmDialog } from '../../ui/confirm-dialog.tsx'
import { amountText } from '../../ui/credits.ts'
import { RelativeTime } from '../../ui/time.tsx'
import { budgetText } from './words.ts'

export function BudgetRow({ budget, onChange }: { budget: Budget; onChange: () => void }) {
  const client = useQueryClient()
  const [removing, setRemoving] = useState(false)
  const remove = useMutation({
    mutationFn: () => call('DELETE', `/api/credits/budgets/${budget.id}`),
    onSuccess: () => client.invalidateQueries({ queryKey: creditsKey }),
    onSettled: () => setRemoving(false),
  })
  const name = `${budgetText(budget)}, per ${budget.period}`
  return (
    <li aria-label={name} className="flex flex-wrap items-center gap-x-4 gap-y-2 px-5 py-3.5 text-sm">
      <div className="min-w-0 flex-1 basis-64">
        <p className="flex flex-wrap justify-between gap-x-4">
          <span>
            <span className="font-medium">{budgetText(budget)}</span>
            <span className="text-ink-faint"> per {budget.period}</span>
          </span>
          <span className="tabular-nums">
            {amountText(budget.spentMicros)} of {amountText(budget.limitMicros)}
          </span>
        </p>
        <Meter label={name} budget={budget} />
        <p className="mt-1.5 text-[0.8125rem] text-ink-faint">
          {budget.reservedMicros > 0 && `${amountText(budget.reservedMicros)} held for what is under way. `}
          Begins anew <RelativeTime at={budget.periodEnd} />.
        </p>
      </div>
      <Button size="small" onClick={onChange}>
        Change
      </Button>
      <Button size="small" onClick={() => setRemoving(true)}>
        Delete
      </Button>
      <ConfirmDialog
        open={removing}
        onClose={() => setRemoving(false)}
        title="Delete this budget?"
        confirmLabel="Delete budget"
        pending={remove.isPending}
        onConfirm={() => remove.mutate()}
      >
        {name}. What it held back goes on, and nothing limits it any more.
      </ConfirmDialog>
    </li>
  )
}

function Meter({ label, budget }: { label: string; budget: Budget }) {
  const percent = Math.min(100, (100 * budget.spentMicros) / budget.limitMicros)
  const tone = percent >= 100 ? 'bg-bad' : percent >= 80 ? 'bg-warn' : 'bg-lagoon'
  return (
    <>
      <meter className="sr-only" aria-label={label} min={0} max={100} value={Math.floor(percent)} />
      <div aria-hidden="true" className="mt-2 h-1.5 overflow-hidden rounded-full bg-sunken">
        <div className={cn('h-full rounded-full', tone)} style={{ width: `${percent}%` }} />
      </div>
    </>
  )
}
