import { useQuery } from '@tanstack/react-query'
import { creditsQuery, paymentsQuery } from '../../api/credits.ts'
import { useMe } from '../../app/use-me.ts'
import { ErrorNotice } from '../../ui/notice.tsx'
import { Skeleton, SkeletonRows } from '../../ui/skeleton.tsx'
import { AutoTopUpCard } from './auto-top-up-card.tsx'
import { BalanceCard } from './balance-card.tsx'
import { BuyCard } from './buy-card.tsx'
import { NotSoldCard } from './not-sold-card.tsx'
import { PaymentReturn } from './payment-return.tsx'
import { PaymentsCard } from './payments-card.tsx'

/** What there is, how long it lasts, and how to get more. */
export function CreditsPage() {
  const credits = useQuery(creditsQuery(true))
  const payments = useQuery(paymentsQuery)
  const { operator } = useMe()
  const sells = payments.data?.provider != null
  return (
    <>
      <PaymentReturn />
      {credits.isPending && <Skeleton className="h-40 w-full" />}
      {credits.error && <ErrorNotice error={credits.error} onRetry={() => void credits.refetch()} />}
      {credits.data && <BalanceCard credits={credits.data} />}
      {payments.isPending && <SkeletonRows />}
      {payments.error && <ErrorNotice error={payments.error} onRetry={() => void payments.refetch()} />}
      {payments.data && sells && <BuyCard payments={payments.data} />}
      {payments.data && (!sells || operator) && <NotSoldCard payments={payments.data} />}
      {payments.data?.mayBuy && <AutoTopUpCard payments={payments.data} />}
      {payments.data?.mayBuy && <PaymentsCard payments={payments.data} />}
    </>
  )
}
