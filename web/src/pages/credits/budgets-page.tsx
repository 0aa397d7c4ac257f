import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { budgetsQuery } from '../../api/credits.ts'
import type { Budget } from '../../api/types.ts'
import { Button } from '../../ui/button.tsx'
import { Card, EmptyState } from '../../ui/card.tsx'
import { ErrorNotice } from '../../ui/notice.tsx'
import { SkeletonRows } from '../../ui/skeleton.tsx'
import { AlertWebhookCard } from './alert-webhook-card.tsx'
import { BudgetDialog } from './budget-dialog.tsx'
import { BudgetRow } from './budget-row.tsx'

/** What may be spent, and who else is told when that runs out. */
export function BudgetsPage() {
  const budgets = useQuery(budgetsQuery)
  const [editing, setEditing] = useState<Budget | 'new'>()
  return (
    <>
      <Card
        title="Budgets"
        description="Limits for a day or a month, UTC. You are told at 50, 80 and 100 percent; then only whom it concerns is stopped."
        flush
        actions={
          <Button size="small" onClick={() => setEditing('new')}>
            Add budget
          </Button>
        }
      >
        {budgets.isPending && <SkeletonRows />}
        {budgets.error && (
          <ErrorNotice error={budgets.error} onRetry={() => void budgets.refetch()} className="m-5" />
        )}
        {budgets.data?.length === 0 && (
          <EmptyState title="No budgets yet">
            Without one everybody may spend whatever the organization has. Add one for all, for a person, or
            for an instance.
          </EmptyState>
        )}
        <ul className="divide-y divide-line">
          {budgets.data?.map((budget) => (
            <BudgetRow key={budget.id} budget={budget} onChange={() => setEditing(budget)} />
          ))}
        </ul>
      </Card>
      <AlertWebhookCard />
      {editing && (
        <BudgetDialog
          budget={editing === 'new' ? undefined : editing}
          onClose={() => setEditing(undefined)}
        />
      )}
    </>
  )
}
