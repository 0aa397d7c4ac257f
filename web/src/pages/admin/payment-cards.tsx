import { useInfiniteQuery } from '@tanstack/react-query'
import { useDeferredValue, useState } from 'react'
import type { AdminPayment } from '../../api/types.ts'
import { Button } from '../../ui/button.tsx'
import { Card, EmptyState } from '../../ui/card.tsx'
import { Choice } from '../../ui/choice.tsx'
import { amountText, moneyText } from '../../ui/credits.ts'
import { TextField } from '../../ui/field.tsx'
import { ErrorNotice, Notice } from '../../ui/notice.tsx'
import { ShowOlder } from '../../ui/show-older.tsx'
import { SkeletonRows } from '../../ui/skeleton.tsx'
import { absoluteTime, RelativeTime } from '../../ui/time.tsx'
import { paymentText } from '../credits/words.ts'
import { type AdminPaymentFilter, adminPaymentsQuery } from './queries.ts'
import { ReconciliationCard } from './reconciliation-card.tsx'
import { RefundDialog } from './refund-dialog.tsx'
import { disputeText, refundObstacle } from './refund-words.ts'

/** What operators do about money: find a payment, give it back, and prove that none was lost. */
export function PaymentCards() {
  return (
    <>
      <PaymentsCard />
      <ReconciliationCard />
    </>
  )
}

const views = [
  { value: 'all', label: 'All' },
  { value: 'disputed', label: 'Disputed' },
]

function PaymentsCard() {
  const [filter, setFilter] = useState<AdminPaymentFilter>({ search: '', view: 'all' })
  // The list follows the typing instead of holding it up.
  const asked = useDeferredValue(filter)
  const payments = useInfiniteQuery(adminPaymentsQuery(asked))
  const sells = payments.data?.pages[0]?.sells ?? true
  const listed = payments.data?.pages.flatMap((page) => page.payments) ?? []
  const filtered = filter.search.trim() !== '' || filter.view !== 'all'
  const unused = !sells && listed.length === 0 && !filtered
  return (
    <Card
      title="Payments"
      description="Of all organizations, the newest first."
      flush
      actions={
        !unused && (
          <Choice
            label="Shown"
            options={views}
            value={filter.view}
            onChange={(view) => setFilter({ ...filter, view })}
          />
        )
      }
    >
      {!unused && (
        <search className="block border-b border-line p-5">
          <TextField
            label="Search payments"
            type="search"
            placeholder="An organization, an e-mail address, or an id of ours or of Stripe’s"
            value={filter.search}
            onChange={(event) => setFilter({ ...filter, search: event.target.value })}
          />
        </search>
      )}
      {payments.isPending && <SkeletonRows />}
      {payments.error && (
        <ErrorNotice error={payments.error} onRetry={() => void payments.refetch()} className="m-5" />
      )}
      {payments.data && <PaymentList payments={listed} sells={sells} filtered={filtered} />}
      <ShowOlder pages={payments} />
    </Card>
  )
}

interface PaymentListProps {
  payments: AdminPayment[]
  sells: boolean
  filtered: boolean
}

function PaymentList({ payments, sells, filtered }: PaymentListProps) {
  const [refunding, setRefunding] = useState<string>()
  const payment = payments.find(({ id }) => id === refunding)
  if (payments.length === 0 && filtered)
    return <EmptyState title="No payment like this">Search for something else.</EmptyState>
  if (payments.length === 0)
    return sells ? (
      <EmptyState title="Nothing was bought yet">Payments of all organizations will be here.</EmptyState>
    ) : (
      <EmptyState title="This Reef sells no credits">
        Set STRIPE_SECRET_KEY to sell them. Until then people have their trial and what you grant.
      </EmptyState>
    )
  return (
    <>
      {!sells && (
        <Notice tone="warn" className="m-5">
          STRIPE_SECRET_KEY is not set: what was paid before can be looked at here, but not refunded.
        </Notice>
      )}
      <ul className="divide-y divide-line">
        {payments.map((one) => (
          <PaymentRow key={one.id} payment={one} sells={sells} onRefund={() => setRefunding(one.id)} />
        ))}
      </ul>
      {payment && <RefundDialog payment={payment} onClose={() => setRefunding(undefined)} />}
    </>
  )
}

interface PaymentRowProps {
  payment: AdminPayment
  sells: boolean
  onRefund: () => void
}

function PaymentRow({ payment, sells, onRefund }: PaymentRowProps) {
  const money = moneyText(payment.amountCents, payment.currency)
  const name = payment.organizationName ?? 'An organization that is gone'
  const obstacle = refundObstacle(payment, sells)
  return (
    <li
      aria-label={`${money} of ${name}`}
      className="flex flex-wrap items-center gap-x-4 gap-y-1.5 px-5 py-3 text-sm"
    >
      <div className="min-w-0 flex-1 basis-60">
        <p>
          <span className="font-medium">{name}</span>
          <span className="text-ink-faint">
            {' '}
            {amountText(payment.creditsMicros)} credits
            {payment.kind === 'auto_top_up' && ' by auto top-up'},{' '}
            <RelativeTime at={payment.paidAt ?? payment.createdAt} />
          </span>
        </p>
        <p className="truncate font-mono text-xs text-ink-faint">
          {payment.id}
          {payment.intentId && ` · ${payment.intentId}`}
        </p>
        {payment.disputes.map((dispute) => (
          <p key={dispute.id} className="mt-1 text-[0.8125rem] text-warn">
            {disputeText(dispute, payment.currency)}
            {dispute.state === 'open' &&
              dispute.dueAt &&
              ` Answer it at Stripe until ${absoluteTime(dispute.dueAt)}.`}
          </p>
        ))}
      </div>
      <span className="text-ink-soft">{paymentText(payment)}</span>
      <span className="text-right tabular-nums">
        {money}
        {payment.refundedCents > 0 && (
          <span className="block text-[0.8125rem] text-ink-faint">
            {moneyText(payment.refundedCents, payment.currency)} refunded
          </span>
        )}
      </span>
      {payment.state === 'paid' && (
        <Button size="small" disabled={obstacle !== null} title={obstacle ?? undefined} onClick={onRefund}>
          Refund
        </Button>
      )}
    </li>
  )
}
