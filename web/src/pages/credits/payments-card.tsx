import { useMutation } from '@tanstack/react-query'
import { ExternalLink } from 'lucide-react'
import { call } from '../../api/client.ts'
import type { Payment, Payments } from '../../api/types.ts'
import { Button, buttonClass } from '../../ui/button.tsx'
import { Card, EmptyState } from '../../ui/card.tsx'
import { amountText, moneyText } from '../../ui/credits.ts'
import { RelativeTime } from '../../ui/time.tsx'
import { paymentText } from './words.ts'

export function PaymentsCard({ payments }: { payments: Payments }) {
  const portal = useMutation({
    mutationFn: () => call<{ url: string }>('POST', '/api/payments/portal', { body: {} }),
    onSuccess: ({ url }) => location.assign(url),
  })
  return (
    <Card
      title="Payments"
      flush
      actions={
        <Button size="small" pending={portal.isPending} onClick={() => portal.mutate()}>
          Cards and invoices
        </Button>
      }
    >
      {payments.payments.length === 0 && (
        <EmptyState title="Nothing was bought yet">Receipts will be here.</EmptyState>
      )}
      <ul className="divide-y divide-line">
        {payments.payments.map((payment) => (
          <PaymentRow key={payment.id} payment={payment} />
        ))}
      </ul>
    </Card>
  )
}

function PaymentRow({ payment }: { payment: Payment }) {
  return (
    <li className="flex flex-wrap items-center gap-x-4 gap-y-1 px-5 py-3 text-sm">
      <span className="min-w-0 flex-1 basis-40">
        <span className="font-medium">{amountText(payment.creditsMicros)} credits</span>
        {payment.kind === 'auto_top_up' && <span className="text-ink-faint"> by auto top-up</span>}
        <span className="block text-[0.8125rem] text-ink-faint">
          <RelativeTime at={payment.paidAt ?? payment.createdAt} />
        </span>
      </span>
      <span className="text-ink-soft">{paymentText(payment)}</span>
      <span className="tabular-nums">{moneyText(payment.amountCents, payment.currency)}</span>
      {payment.receiptUrl && (
        <a
          href={payment.receiptUrl}
          target="_blank"
          rel="noreferrer"
          className={buttonClass('quiet', 'small')}
        >
          <ExternalLink size={14} /> Receipt
        </a>
      )}
    </li>
  )
}
