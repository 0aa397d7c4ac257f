import type { Payments } from '../../api/types.ts'
import { useMe } from '../../app/use-me.ts'
import { Card } from '../../ui/card.tsx'
import { GrantForm } from './grant-form.tsx'

/** How credits come where nothing is sold; operators grant them right here. */
export function NotSoldCard({ payments }: { payments: Payments }) {
  const { operator, organization } = useMe()
  if (operator)
    return (
      <Card
        title="Grant credits"
        description={
          payments.provider
            ? 'You operate this Reef: give credits without payment.'
            : 'You operate this Reef, and it sells nothing: you give credits. To sell them, set STRIPE_SECRET_KEY.'
        }
      >
        <GrantForm to={organization.slug} />
      </Card>
    )
  return (
    <Card title="Get credits">
      <p className="text-sm text-ink-soft">
        {payments.message ?? 'No credits are sold here. Ask the operator of this Reef for some.'}
      </p>
      <p className="mt-3 text-sm text-ink-soft">
        Tell them the name of your organization:{' '}
        <code className="font-mono text-[0.8125rem] font-semibold">{organization.slug}</code>
      </p>
    </Card>
  )
}
