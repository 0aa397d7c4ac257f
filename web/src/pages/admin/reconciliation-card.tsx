import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { call } from '../../api/client.ts'
import type { Reconciliation, ReconciliationRun } from '../../api/types.ts'
import { Button } from '../../ui/button.tsx'
import { Card } from '../../ui/card.tsx'
import { ErrorNotice, Notice } from '../../ui/notice.tsx'
import { Skeleton } from '../../ui/skeleton.tsx'
import { RelativeTime } from '../../ui/time.tsx'
import { countText } from '../backups/words.ts'
import { reconciliationsQuery, refreshPayments } from './queries.ts'

/** Whether Stripe and this Reef say the same, and what a person has to look at. */
export function ReconciliationCard() {
  const client = useQueryClient()
  const answer = useQuery(reconciliationsQuery)
  const run = useMutation({
    meta: { showsError: true },
    mutationFn: () => call<Reconciliation>('POST', '/api/admin/payments/reconcile'),
    onSettled: () => refreshPayments(client),
  })
  const runs = answer.data?.reconciliations ?? []
  const underWay = runs.some(({ finishedAt }) => finishedAt === null)
  // Nothing is sold, nothing ever was: the card above says so.
  if (answer.data && !answer.data.sells && runs.length === 0) return null
  return (
    <Card
      title="Reconciliation"
      description="Compares Stripe’s lists with what is known here, and posts what is missing. Once a day by itself."
      actions={
        answer.data?.sells && (
          <Button size="small" pending={run.isPending || underWay} onClick={() => run.mutate()}>
            Run now
          </Button>
        )
      }
    >
      {answer.isPending && <Skeleton className="h-12 w-full" />}
      {answer.error && <ErrorNotice error={answer.error} onRetry={() => void answer.refetch()} />}
      {run.error && <ErrorNotice error={run.error} className="mb-4" />}
      {answer.data && !answer.data.sells && (
        <Notice tone="warn" className="mb-4">
          STRIPE_SECRET_KEY is not set: there is nothing to compare with any more.
        </Notice>
      )}
      {answer.data && <LastRun runs={runs} />}
    </Card>
  )
}

function LastRun({ runs }: { runs: ReconciliationRun[] }) {
  const last = runs.find(({ finishedAt }) => finishedAt !== null)
  if (!last?.finishedAt)
    return <p className="text-sm text-ink-faint">None has ended yet. The first one begins by itself.</p>
  return (
    <div className="space-y-4 text-sm" role="status">
      {last.failure && (
        <Notice tone="bad">
          The last one (<RelativeTime at={last.finishedAt} />) came to no end: {last.failure}
        </Notice>
      )}
      {last.report && <Report report={last.report} at={last.finishedAt} />}
    </div>
  )
}

function Report({ report, at }: { report: Reconciliation; at: string }) {
  const { events, payments, refunds, disputes, differences } = report
  const repaired = payments.repaired + refunds.repaired + disputes.repaired
  return (
    <>
      {differences.length === 0 && events.unprocessed === 0 ? (
        <Notice tone="good">
          Nothing differs (<RelativeTime at={at} />
          ).
        </Notice>
      ) : (
        <Notice tone="bad">
          <p className="font-medium">
            {differences.length === 1 ? 'One thing differs' : `${differences.length} things differ`} (
            <RelativeTime at={at} />
            ). Look at each at Stripe and in the ledger.
          </p>
          <ul className="mt-2 list-disc pl-5">
            {differences.map((difference) => (
              <li key={difference}>{difference}</li>
            ))}
            {events.unprocessed > 0 && (
              <li>
                {countText(events.unprocessed, 'event', 'events')} of Stripe’s cannot be processed; see the
                log.
              </li>
            )}
          </ul>
        </Notice>
      )}
      <p className="text-ink-soft">
        {countText(payments.listed, 'payment', 'payments')}, {countText(refunds.listed, 'refund', 'refunds')}{' '}
        and {countText(disputes.listed, 'dispute', 'disputes')} at Stripe since{' '}
        <RelativeTime at={report.from} />.{' '}
        {events.missed > 0 && `${countText(events.missed, 'event', 'events')} had never been delivered. `}
        {repaired > 0 && `${countText(repaired, 'thing was', 'things were')} put right.`}
      </p>
    </>
  )
}
