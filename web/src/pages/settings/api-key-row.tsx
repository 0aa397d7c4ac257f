import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { call } from '../../api/client.ts'
import { apiKeysQuery } from '../../api/queries.ts'
import type { ApiKey } from '../../api/types.ts'
import { Button } from '../../ui/button.tsx'
import { ConfirmDialog } from '../../ui/confirm-dialog.tsx'
import { RelativeTime } from '../../ui/time.tsx'
import { showDone } from '../../ui/toast.tsx'

export function ApiKeyRow({ apiKey }: { apiKey: ApiKey }) {
  const [confirming, setConfirming] = useState(false)
  const client = useQueryClient()
  const revoke = useMutation({
    mutationFn: () => call('DELETE', `/api/api-keys/${apiKey.id}`),
    onSuccess: async () => {
      setConfirming(false)
      showDone(`The key ${apiKey.name} no longer works.`)
      await client.invalidateQueries({ queryKey: apiKeysQuery.queryKey })
    },
  })
  const expired = apiKey.expiresAt !== null && Date.parse(apiKey.expiresAt) < Date.now()
  return (
    <li aria-label={apiKey.name} className="flex flex-wrap items-center gap-x-4 gap-y-2 px-5 py-3.5">
      <div className="min-w-0 flex-1 basis-60">
        <div className="flex flex-wrap items-baseline gap-x-2.5">
          <span className="text-sm font-medium">{apiKey.name}</span>
          <code className="font-mono text-xs text-ink-faint">{apiKey.hint}</code>
          {expired && <span className="text-xs font-medium text-bad">Expired</span>}
        </div>
        <div className="mt-1 flex flex-wrap gap-1.5">
          {apiKey.scopes.map((scope) => (
            <span
              key={scope}
              className="rounded bg-sunken px-1.5 py-0.5 font-mono text-[0.6875rem] text-ink-soft"
            >
              {scope}
            </span>
          ))}
        </div>
      </div>
      <div className="text-right text-[0.8125rem] text-ink-faint">
        <div>
          {apiKey.lastUsedAt ? (
            <>
              Used <RelativeTime at={apiKey.lastUsedAt} />
            </>
          ) : (
            'Never used'
          )}
        </div>
        <div>
          {apiKey.expiresAt ? (
            <>
              {expired ? 'Expired' : 'Expires'} <RelativeTime at={apiKey.expiresAt} />
            </>
          ) : (
            'Does not expire'
          )}
        </div>
      </div>
      <Button size="small" variant="danger" onClick={() => setConfirming(true)}>
        Revoke
      </Button>
      <ConfirmDialog
        open={confirming}
        onClose={() => setConfirming(false)}
        title={`Revoke ${apiKey.name}?`}
        confirmLabel="Revoke key"
        pending={revoke.isPending}
        onConfirm={() => revoke.mutate()}
      >
        Programs that use it are refused within a few seconds. This cannot be undone; create a new key
        instead.
      </ConfirmDialog>
    </li>
  )
}
