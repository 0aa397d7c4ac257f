import { useMutation, useQueryClient } from '@tanstack/react-query'
import { type FormEvent, useState } from 'react'
import { newId } from '../../../../src/ids.ts'
import { call } from '../../api/client.ts'
import { creditsKey } from '../../api/credits.ts'
import { fieldMessage } from '../../api/errors.ts'
import type { Grant } from '../../api/types.ts'
import { Button } from '../../ui/button.tsx'
import { creditsText } from '../../ui/credits.ts'
import { TextField } from '../../ui/field.tsx'
import { ErrorNotice } from '../../ui/notice.tsx'
import { showDone } from '../../ui/toast.tsx'

const fields = ['to', 'credits', 'note']

/** An operator gives an organization credits. */
export function GrantForm({ to: initialTo = '' }: { to?: string }) {
  const client = useQueryClient()
  const [to, setTo] = useState(initialTo)
  const [credits, setCredits] = useState('')
  const [note, setNote] = useState('')
  // A grant whose answer was lost must not be made twice by pressing again.
  const [idempotencyKey, setKey] = useState(newId)
  const grant = useMutation({
    meta: { showsError: true },
    mutationFn: () =>
      call<Grant>('POST', '/api/admin/credits/grants', {
        body: { to, credits: Number(credits), idempotencyKey, ...(note.trim() ? { note } : {}) },
      }),
    onSuccess: async ({ amountMicros, organization }) => {
      showDone(`${creditsText(amountMicros)} granted to ${organization.name}.`)
      setCredits('')
      setNote('')
      setKey(newId())
      await client.invalidateQueries({ queryKey: creditsKey })
    },
  })
  const changed = (set: (value: string) => void) => (value: string) => {
    set(value)
    setKey(newId())
  }
  const submit = (event: FormEvent) => {
    event.preventDefault()
    grant.mutate()
  }
  const elsewhere = grant.error && !fields.some((field) => fieldMessage(grant.error, field))
  return (
    <form onSubmit={submit} className="space-y-4">
      <div className="grid gap-4 sm:grid-cols-2">
        <TextField
          label="To"
          required
          hint="Slug or id of an organization, or the e-mail address of a person"
          value={to}
          onChange={(event) => changed(setTo)(event.target.value)}
          error={fieldMessage(grant.error, 'to')}
        />
        <TextField
          label="Credits"
          required
          inputMode="decimal"
          type="number"
          step="any"
          min="0"
          value={credits}
          onChange={(event) => changed(setCredits)(event.target.value)}
          error={fieldMessage(grant.error, 'credits')}
        />
      </div>
      <TextField
        label="Note"
        hint="Why; shown in the organization’s statement"
        value={note}
        onChange={(event) => changed(setNote)(event.target.value)}
        error={fieldMessage(grant.error, 'note')}
      />
      {elsewhere && <ErrorNotice error={grant.error} />}
      <Button type="submit" variant="primary" pending={grant.isPending}>
        Grant credits
      </Button>
    </form>
  )
}
