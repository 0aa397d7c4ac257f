import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { type FormEvent, useState } from 'react'
import { call } from '../../api/client.ts'
import { alertWebhookQuery } from '../../api/credits.ts'
import { fieldMessage } from '../../api/errors.ts'
import type { AlertWebhook } from '../../api/types.ts'
import { Button } from '../../ui/button.tsx'
import { Card } from '../../ui/card.tsx'
import { CodeBlock } from '../../ui/copy.tsx'
import { TextField } from '../../ui/field.tsx'
import { ErrorNotice, Notice } from '../../ui/notice.tsx'
import { RelativeTime } from '../../ui/time.tsx'
import { showDone } from '../../ui/toast.tsx'

/** Alerts show in the dashboard and may go out by mail; a program gets them here. */
export function AlertWebhookCard() {
  const webhook = useQuery(alertWebhookQuery)
  return (
    <Card
      title="Webhook for alerts"
      description="Alerts show above every page and, where this Reef has a mail server, go by mail to whom they concern. They can be posted to a program of yours too, signed."
    >
      {webhook.error && <ErrorNotice error={webhook.error} onRetry={() => void webhook.refetch()} />}
      {webhook.data !== undefined && <WebhookForm webhook={webhook.data} />}
    </Card>
  )
}

function WebhookForm({ webhook }: { webhook: AlertWebhook | null }) {
  const client = useQueryClient()
  const [url, setUrl] = useState(webhook?.url ?? '')
  const [secret, setSecret] = useState<string>()
  const accept = (next: AlertWebhook | null) => client.setQueryData(alertWebhookQuery.queryKey, next)
  const save = useMutation({
    meta: { showsError: true },
    mutationFn: () =>
      call<{ webhook: AlertWebhook; secret: string }>('PUT', '/api/credits/alert-webhook', { body: { url } }),
    onSuccess: (saved) => {
      accept(saved.webhook)
      setSecret(saved.secret)
    },
  })
  const remove = useMutation({
    mutationFn: () => call('DELETE', '/api/credits/alert-webhook'),
    onSuccess: () => {
      accept(null)
      setUrl('')
      setSecret(undefined)
    },
  })
  const test = useMutation({
    mutationFn: () => call('POST', '/api/credits/alert-webhook/test', { body: {} }),
    onSuccess: () => {
      showDone('A test alert is on its way.')
      return client.invalidateQueries({ queryKey: ['credits'] })
    },
  })
  const submit = (event: FormEvent) => {
    event.preventDefault()
    save.mutate()
  }
  return (
    <form onSubmit={submit} className="space-y-4">
      <TextField
        label="URL"
        type="url"
        required
        placeholder="https://example.com/reef-alerts"
        value={url}
        onChange={(event) => setUrl(event.target.value)}
        error={fieldMessage(save.error, 'url')}
      />
      {save.error && !fieldMessage(save.error, 'url') && <ErrorNotice error={save.error} />}
      {secret && (
        <Notice tone="good">
          <p className="mb-2">Check the signature of what is posted with this key:</p>
          <CodeBlock label="Signing key" code={secret} />
        </Notice>
      )}
      {webhook?.lastDelivery && <Delivery delivery={webhook.lastDelivery} />}
      <div className="flex flex-wrap gap-2">
        <Button type="submit" pending={save.isPending}>
          {webhook ? 'Save URL' : 'Set webhook'}
        </Button>
        {webhook && (
          <>
            <Button pending={test.isPending} onClick={() => test.mutate()}>
              Send a test
            </Button>
            <Button pending={remove.isPending} onClick={() => remove.mutate()}>
              Remove
            </Button>
          </>
        )}
      </div>
    </form>
  )
}

const deliveryText = { delivered: 'was delivered', retrying: 'is tried again', failed: 'was given up' }

function Delivery({ delivery }: { delivery: NonNullable<AlertWebhook['lastDelivery']> }) {
  return (
    <p className="text-sm text-ink-soft">
      The last alert {deliveryText[delivery.state]} (<RelativeTime at={delivery.at} />
      ).{delivery.failure && ` ${delivery.failure}`}
    </p>
  )
}
