import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { type FormEvent, useState } from 'react'
import { call } from '../../api/client.ts'
import { fieldMessage } from '../../api/errors.ts'
import type { Operator } from '../../api/types.ts'
import { Button } from '../../ui/button.tsx'
import { Card } from '../../ui/card.tsx'
import { ConfirmDialog } from '../../ui/confirm-dialog.tsx'
import { TextField } from '../../ui/field.tsx'
import { ErrorNotice } from '../../ui/notice.tsx'
import { RelativeTime } from '../../ui/time.tsx'
import { operatorsQuery } from './queries.ts'

type Answer = { operators: Operator[] }

export function OperatorsCard() {
  const operators = useQuery(operatorsQuery)
  const queryClient = useQueryClient()
  const [email, setEmail] = useState('')
  const [dismissing, setDismissing] = useState<Operator>()
  const accept = (answer: Answer) => queryClient.setQueryData(operatorsQuery.queryKey, answer.operators)
  const appoint = useMutation({
    mutationFn: () => call<Answer>('POST', '/api/admin/operators', { body: { email } }),
    onSuccess: (answer) => {
      accept(answer)
      setEmail('')
    },
  })
  const dismiss = useMutation({
    mutationFn: (userId: string) => call<Answer>('DELETE', `/api/admin/operators/${userId}`),
    onSuccess: (answer) => {
      accept(answer)
      setDismissing(undefined)
    },
  })
  const submit = (event: FormEvent) => {
    event.preventDefault()
    appoint.mutate()
  }
  return (
    <Card
      title="Operators"
      description="They see this page. It opens nobody’s conversations or secrets."
      flush
    >
      {operators.error && <ErrorNotice error={operators.error} className="m-5" />}
      <ul className="divide-y divide-line">
        {operators.data?.map((operator) => (
          <li key={operator.userId} className="flex flex-wrap items-center gap-x-4 px-5 py-3 text-sm">
            <span className="min-w-0 flex-1 truncate">
              <span className="font-medium">{operator.name}</span>{' '}
              <span className="text-ink-faint">{operator.email}</span>
            </span>
            <span className="text-ink-faint">
              <RelativeTime at={operator.appointedAt} />
            </span>
            <Button
              size="small"
              aria-label={`Dismiss ${operator.name}`}
              disabled={operators.data.length === 1}
              onClick={() => setDismissing(operator)}
            >
              Dismiss
            </Button>
          </li>
        ))}
      </ul>
      <ConfirmDialog
        open={dismissing !== undefined}
        onClose={() => setDismissing(undefined)}
        title={`Dismiss ${dismissing?.name ?? ''}?`}
        confirmLabel="Dismiss"
        pending={dismiss.isPending}
        onConfirm={() => dismissing && dismiss.mutate(dismissing.userId)}
      >
        They no longer see this page. Another operator can appoint them again.
      </ConfirmDialog>
      <form onSubmit={submit} className="flex flex-wrap items-end gap-3 border-t border-line p-5">
        <div className="min-w-0 flex-1 basis-60">
          <TextField
            label="Appoint somebody"
            type="email"
            required
            placeholder="Their e-mail address"
            value={email}
            onChange={(event) => setEmail(event.target.value)}
            error={fieldMessage(appoint.error, 'email')}
          />
        </div>
        <Button type="submit" variant="primary" pending={appoint.isPending}>
          Appoint
        </Button>
      </form>
    </Card>
  )
}
