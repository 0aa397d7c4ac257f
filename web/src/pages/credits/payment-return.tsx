import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { X } from 'lucide-react'
import { useEffect } from 'react'
import { creditsKey, paymentQuery } from '../../api/credits.ts'
import { paths } from '../../paths.ts'
import { IconButton } from '../../ui/button.tsx'
import { creditsText } from '../../ui/credits.ts'
import { ErrorNotice, Notice } from '../../ui/notice.tsx'

/** Whoever comes back from Stripe's page: what became of it, also when the bank has not said so yet. */
export function PaymentReturn() {
  const { payment: paymentId, canceled } = useSearch({ strict: false })
  const navigate = useNavigate()
  const dismiss = () => void navigate({ ...paths.credits(), search: {}, replace: true })
  if (!paymentId) return null
  if (canceled)
    return (
      <Notice action={<DismissButton onClick={dismiss} />}>
        Nothing was paid. Choose a pack again whenever you like.
      </Notice>
    )
  return <Outcome paymentId={paymentId} onDismiss={dismiss} />
}

function Outcome({ paymentId, onDismiss }: { paymentId: string; onDismiss: () => void }) {
  const client = useQueryClient()
  const payment = useQuery(paymentQuery(paymentId))
  const state = payment.data?.state
  useEffect(() => {
    if (state === 'paid') void client.invalidateQueries({ queryKey: creditsKey })
  }, [state, client])
  if (payment.error) return <ErrorNotice error={payment.error} onRetry={() => void payment.refetch()} />
  const action = <DismissButton onClick={onDismiss} />
  switch (state) {
    case undefined:
    case 'open':
    case 'processing':
      return (
        <div role="status">
          <Notice>
            <span className="font-medium">Thank you. Waiting for the confirmation of your payment.</span>{' '}
            {state === 'processing'
              ? 'Your bank takes its time; you can leave this page.'
              : 'This takes a few seconds as a rule.'}{' '}
            Your credits come by themselves.
          </Notice>
        </div>
      )
    case 'paid':
      return (
        <div role="status">
          <Notice tone="good" action={action}>
            <span className="font-medium">Thank you.</span>{' '}
            {payment.data && creditsText(payment.data.creditsMicros)} are yours. What was stopped for lack of
            credits starts again by itself.
          </Notice>
        </div>
      )
    case 'failed':
    case 'expired':
      return (
        <Notice tone="bad" action={action}>
          {payment.data?.failure ?? 'The payment did not succeed.'} Nothing was charged. Try again, or with
          another card.
        </Notice>
      )
  }
}

function DismissButton({ onClick }: { onClick: () => void }) {
  return (
    <IconButton label="Dismiss" onClick={onClick} className="-my-1 -mr-1.5 size-7.5">
      <X size={15} />
    </IconButton>
  )
}
