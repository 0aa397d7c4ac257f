import { useMutation } from '@tanstack/react-query'
import { useState } from 'react'
import { call } from '../../api/client.ts'
import type { CreditPack, Payments } from '../../api/types.ts'
import { Button } from '../../ui/button.tsx'
import { Card } from '../../ui/card.tsx'
import { cn } from '../../ui/class-names.ts'
import { amountText, moneyText } from '../../ui/credits.ts'
import { ErrorNotice, Notice } from '../../ui/notice.tsx'

export function BuyCard({ payments }: { payments: Payments }) {
  const [packId, setPackId] = useState(payments.packs[0]?.id)
  const [saveCard, setSaveCard] = useState(false)
  const checkout = useMutation({
    meta: { showsError: true },
    mutationFn: (pack: string) =>
      call<{ url: string }>('POST', '/api/payments/checkout', { body: { pack, saveCard } }),
    onSuccess: ({ url }) => location.assign(url),
  })
  if (!payments.mayBuy)
    return (
      <Card title="Buy credits">
        <p className="text-sm text-ink-soft">
          Owners and admins of the organization buy credits. Ask one of them; Settings, Members says who they
          are.
        </p>
      </Card>
    )
  const pack = payments.packs.find(({ id }) => id === packId)
  return (
    <Card title="Buy credits" description="You pay on Stripe’s page; Reef never sees your card.">
      {payments.testMode && (
        <Notice tone="warn" className="mb-4">
          Stripe is in test mode: pay with its test cards, for example 4242 4242 4242 4242. No money moves.
        </Notice>
      )}
      <fieldset aria-label="Pack" className="grid gap-3 sm:grid-cols-2 lg:grid-cols-4">
        {payments.packs.map((one) => (
          <PackChoice
            key={one.id}
            pack={one}
            currency={payments.currency}
            chosen={one.id === packId}
            onChoose={() => setPackId(one.id)}
          />
        ))}
      </fieldset>
      <div className="mt-5 flex flex-wrap items-center justify-between gap-4">
        <label className="flex items-start gap-2.5 text-sm">
          <input
            type="checkbox"
            className="mt-1"
            checked={saveCard}
            onChange={(event) => setSaveCard(event.target.checked)}
          />
          <span>
            Keep the card for auto top-up
            <span className="block text-[0.8125rem] text-ink-faint">
              Stripe keeps it; nothing is bought by itself until you switch that on.
            </span>
          </span>
        </label>
        <Button
          variant="primary"
          disabled={!pack}
          pending={checkout.isPending || checkout.isSuccess}
          onClick={() => pack && checkout.mutate(pack.id)}
        >
          {pack ? `Buy for ${moneyText(pack.priceCents, payments.currency)}` : 'Choose a pack'}
        </Button>
      </div>
      {checkout.error && <ErrorNotice error={checkout.error} className="mt-4" />}
    </Card>
  )
}

function PackChoice(props: { pack: CreditPack; currency: string; chosen: boolean; onChoose: () => void }) {
  const { pack } = props
  return (
    <label
      className={cn(
        'flex cursor-pointer items-baseline justify-between gap-2 rounded-[0.625rem] border p-3.5 transition-colors sm:block',
        'has-focus-visible:outline-2 has-focus-visible:outline-offset-2 has-focus-visible:outline-lagoon',
        props.chosen ? 'border-lagoon bg-lagoon-soft' : 'border-line hover:bg-hover',
      )}
    >
      <input type="radio" name="pack" className="sr-only" checked={props.chosen} onChange={props.onChoose} />
      <span className="block font-semibold tabular-nums">{amountText(pack.creditsMicros)} credits</span>
      <span className="block text-sm text-ink-soft">{moneyText(pack.priceCents, props.currency)}</span>
    </label>
  )
}
