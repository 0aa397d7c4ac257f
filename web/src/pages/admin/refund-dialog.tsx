import { useMutation, useQueryClient } from '@tanstack/react-query'
import { type FormEvent, useState } from 'react'
import { newId } from '../../../../src/ids.ts'
import { call } from '../../api/client.ts'
import { ApiError, fieldMessage } from '../../api/errors.ts'
import type { AdminPayment, Payment } from '../../api/types.ts'
import { Button } from '../../ui/button.tsx'
import { amountText, creditsText, moneyText } from '../../ui/credits.ts'
import { Dialog } from '../../ui/dialog.tsx'
import { TextField } from '../../ui/field.tsx'
import { ErrorNotice, Notice } from '../../ui/notice.tsx'
import { showDone } from '../../ui/toast.tsx'
import { refreshPayments } from './queries.ts'
import { effectText, moneyDraft, parseMoney, refundEffect } from './refund-words.ts'

const fields = ['amountCents', 'reason']

/** Gives a payment back, whole or in part, and says before what that does to the credits. */
export function RefundDialog({ payment, onClose }: { payment: AdminPayment; onClose: () => void }) {
  const client = useQueryClient()
  const [amount, setAmount] = useState(moneyDraft(payment.unusedCents || payment.leftCents))
  const [reason, setReason] = useState('')
  const [force, setForce] = useState(false)
  // A refund whose answer was lost must not be made twice by pressing again.
  const [idempotencyKey, setKey] = useState(newId)
  const amountCents = parseMoney(amount)
  const tooMuch = amountCents !== undefined && amountCents > payment.leftCents
  const used = amountCents === undefined ? 0 : refundEffect(payment, amountCents).used
  const refund = useMutation({
    meta: { showsError: true },
    mutationFn: () =>
      call<Payment>('POST', `/api/admin/payments/${payment.id}/refund`, {
        body: { amountCents, force, idempotencyKey, ...(reason.trim() ? { reason } : {}) },
      }),
    onSuccess: () => {
      showDone(`${moneyText(amountCents ?? 0, payment.currency)} were refunded.`)
      onClose()
    },
    onError: (error) => {
      // A clear no ends this one; whatever else went wrong, pressing again goes on with it.
      if (error instanceof ApiError && error.status >= 400 && error.status < 500) setKey(newId())
    },
    onSettled: () => refreshPayments(client),
  })
  const change = (text: string) => {
    setAmount(text)
    setKey(newId())
  }
  const submit = (event: FormEvent) => {
    event.preventDefault()
    refund.mutate()
  }
  const elsewhere = refund.error && !fields.some((field) => fieldMessage(refund.error, field))
  return (
    <Dialog
      open
      onClose={onClose}
      title={`Refund ${payment.organizationName ?? 'an organization that is gone'}`}
      description={`${moneyText(payment.leftCents, payment.currency)} of ${moneyText(payment.amountCents, payment.currency)} are left to refund. ${creditsText(payment.availableMicros)} are unused, which is ${moneyText(payment.unusedCents, payment.currency)} of it.`}
    >
      <form onSubmit={submit} className="space-y-4">
        <TextField
          label={`Amount (${payment.currency.toUpperCase()})`}
          required
          inputMode="decimal"
          value={amount}
          onChange={(event) => change(event.target.value)}
          error={
            fieldMessage(refund.error, 'amountCents') ??
            (amount.trim() !== '' && amountCents === undefined
              ? 'Write an amount like 5 or 7.50.'
              : tooMuch
                ? `At most ${moneyText(payment.leftCents, payment.currency)}.`
                : undefined)
          }
        />
        <TextField
          label="Reason"
          hint="Shown in the organization’s statement"
          maxLength={500}
          value={reason}
          onChange={(event) => setReason(event.target.value)}
          error={fieldMessage(refund.error, 'reason')}
        />
        {amountCents !== undefined && !tooMuch && (
          <div role="status">
            <Notice tone={used > 0 ? 'warn' : 'info'}>{effectText(payment, amountCents)}</Notice>
          </div>
        )}
        {used > 0 && !tooMuch && (
          <label className="flex items-start gap-2.5 text-sm">
            <input
              type="checkbox"
              className="mt-1"
              checked={force}
              onChange={(event) => setForce(event.target.checked)}
            />
            <span>Refund the {amountText(used)} used credits too, at our cost</span>
          </label>
        )}
        {elsewhere && <ErrorNotice error={refund.error} />}
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>Cancel</Button>
          <Button
            type="submit"
            variant="danger"
            disabled={amountCents === undefined || tooMuch || (used > 0 && !force)}
            pending={refund.isPending}
          >
            {amountCents === undefined || tooMuch
              ? 'Refund'
              : `Refund ${moneyText(amountCents, payment.currency)}`}
          </Button>
        </div>
      </form>
    </Dialog>
  )
}
