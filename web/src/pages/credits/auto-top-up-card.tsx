import { useMutation, useQueryClient } from '@tanstack/react-query'
import { type FormEvent, useState } from 'react'
import { call } from '../../api/client.ts'
import { creditsKey } from '../../api/credits.ts'
import { fieldMessage } from '../../api/errors.ts'
import type { AutoTopUp, Payments } from '../../api/types.ts'
import { Button } from '../../ui/button.tsx'
import { Card } from '../../ui/card.tsx'
import { amountText, moneyText, parseCredits } from '../../ui/credits.ts'
import { SelectField, TextField } from '../../ui/field.tsx'
import { ErrorNotice, Notice } from '../../ui/notice.tsx'
import { showDone } from '../../ui/toast.tsx'

const fields = ['thresholdMicros', 'monthlyLimitCents', 'pack', 'enabled']

/** Buys a pack with the saved card whenever credits run low, never more than a month's limit. */
export function AutoTopUpCard({ payments }: { payments: Payments }) {
  const { autoTopUp, card, packs, currency } = payments
  const client = useQueryClient()
  const [threshold, setThreshold] = useState(amountText(autoTopUp?.thresholdMicros ?? 100_000_000))
  const [pack, setPack] = useState(autoTopUp?.pack ?? packs[0]?.id ?? '')
  const [limit, setLimit] = useState(String((autoTopUp?.monthlyLimitCents ?? 5_000) / 100))
  const save = useMutation({
    meta: { showsError: true },
    mutationFn: (enabled: boolean) =>
      call<AutoTopUp>('PUT', '/api/payments/auto-top-up', {
        body: {
          enabled,
          thresholdMicros: parseCredits(threshold) ?? 0,
          pack,
          monthlyLimitCents: Math.round(Number(limit) * 100),
        },
      }),
    onSuccess: async ({ enabled }) => {
      showDone(enabled ? 'Auto top-up is on.' : 'Auto top-up is off.')
      await client.invalidateQueries({ queryKey: creditsKey })
    },
  })
  const enabled = autoTopUp?.enabled ?? false
  const submit = (event: FormEvent) => {
    event.preventDefault()
    save.mutate(true)
  }
  const elsewhere = save.error && !fields.some((field) => fieldMessage(save.error, field))
  return (
    <Card
      title="Auto top-up"
      description={
        card
          ? `With the saved ${card.brand} that ends in ${card.last4} (until ${card.expires}).`
          : 'Needs a saved card: buy a pack above and choose to keep the card.'
      }
      actions={<span className="text-sm font-medium">{enabled ? 'On' : 'Off'}</span>}
    >
      {autoTopUp?.problem && (
        <Notice tone="warn" className="mb-4">
          {autoTopUp.problem}
        </Notice>
      )}
      <form onSubmit={submit} className="space-y-4">
        <div className="grid gap-4 sm:grid-cols-3">
          <TextField
            label="When fewer credits are left than"
            inputMode="decimal"
            required
            value={threshold}
            onChange={(event) => setThreshold(event.target.value)}
            error={fieldMessage(save.error, 'thresholdMicros')}
          />
          <SelectField label="Buy" value={pack} onChange={(event) => setPack(event.target.value)}>
            {packs.map((one) => (
              <option key={one.id} value={one.id}>
                {amountText(one.creditsMicros)} credits for {moneyText(one.priceCents, currency)}
              </option>
            ))}
          </SelectField>
          <TextField
            label={`At most in a month (${currency.toUpperCase()})`}
            inputMode="decimal"
            required
            value={limit}
            onChange={(event) => setLimit(event.target.value)}
            error={fieldMessage(save.error, 'monthlyLimitCents')}
          />
        </div>
        {elsewhere && <ErrorNotice error={save.error} />}
        <div className="flex flex-wrap gap-2">
          <Button
            type="submit"
            variant={enabled ? 'secondary' : 'primary'}
            disabled={!card}
            pending={save.isPending}
          >
            {enabled ? 'Save' : 'Switch on'}
          </Button>
          {enabled && (
            <Button pending={save.isPending} onClick={() => save.mutate(false)}>
              Switch off
            </Button>
          )}
        </div>
      </form>
    </Card>
  )
}
