import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { call } from '../../api/client.ts'
import type { Secret } from '../../api/types.ts'
import { useMe } from '../../app/use-me.ts'
import { Button } from '../../ui/button.tsx'
import { ConfirmDialog } from '../../ui/confirm-dialog.tsx'
import { RelativeTime } from '../../ui/time.tsx'
import { showDone } from '../../ui/toast.tsx'
import { mayAdministrate } from '../settings/permissions.ts'
import { secretAddress } from './address.ts'
import { refreshSecrets } from './queries.ts'
import { scopes } from './words.ts'

interface SecretRowProps {
  secret: Secret
  instanceId: string
  onReplace: () => void
}

export function SecretRow({ secret, instanceId, onReplace }: SecretRowProps) {
  const { organization } = useMe()
  const mayChange = secret.scope !== 'organization' || mayAdministrate(organization)
  return (
    <li aria-label={secret.name} className="flex flex-wrap items-center gap-x-4 gap-y-2 px-5 py-3.5">
      <div className="min-w-0 flex-1 basis-60">
        <p className="flex flex-wrap items-baseline gap-x-2.5">
          <span className="font-mono text-[0.8125rem] font-semibold break-all">{secret.name}</span>
          <span className="text-xs text-ink-faint">version {secret.version}</span>
        </p>
        <p className="mt-1 flex flex-wrap gap-1.5 text-xs text-ink-soft">
          <Chip>{scopes[secret.scope].label}</Chip>
          <Chip>{secret.exposeToTools ? 'Shown to commands' : 'Not shown to commands'}</Chip>
          <span
            className="py-0.5 font-mono text-[0.6875rem] text-ink-faint"
            title="Equal for equal values, and of no use to guess one"
          >
            {secret.fingerprint}
          </span>
        </p>
        {secret.overridden && (
          <p className="mt-1 text-[0.8125rem] text-ink-faint">
            Not used here: a narrower secret of the same name takes its place.
          </p>
        )}
      </div>
      <p className="text-[0.8125rem] text-ink-faint sm:text-right">
        {secret.lastUsedAt ? (
          <>
            Given to the instance <RelativeTime at={secret.lastUsedAt} />
          </>
        ) : (
          'Not given to an instance yet'
        )}
        <br />
        Changed <RelativeTime at={secret.updatedAt} />
      </p>
      {mayChange && (
        <div className="flex gap-2">
          <Button size="small" onClick={onReplace}>
            Replace
          </Button>
          <RemoveButton secret={secret} instanceId={instanceId} />
        </div>
      )}
    </li>
  )
}

function Chip({ children }: { children: string }) {
  return <span className="rounded bg-sunken px-1.5 py-0.5">{children}</span>
}

function RemoveButton({ secret, instanceId }: { secret: Secret; instanceId: string }) {
  const [confirming, setConfirming] = useState(false)
  const { organization } = useMe()
  const client = useQueryClient()
  const { name, scope } = secret
  const remove = useMutation({
    mutationFn: () => {
      const address = secretAddress({ scope, organizationId: organization.id, instanceId }, name)
      return call('DELETE', scope === 'organization' ? address : `${address}?scope=${scope}`)
    },
    onSuccess: async () => {
      setConfirming(false)
      showDone(`${name} is removed.`)
      await refreshSecrets(client, instanceId)
    },
  })
  return (
    <>
      <Button size="small" variant="danger" onClick={() => setConfirming(true)}>
        Remove
      </Button>
      <ConfirmDialog
        open={confirming}
        onClose={() => setConfirming(false)}
        title={`Remove ${name}?`}
        confirmLabel="Remove secret"
        pending={remove.isPending}
        onConfirm={() => remove.mutate()}
      >
        {scope === 'organization'
          ? 'Every instance of the organization loses it at once, and what refers to it stops working.'
          : 'The instance loses it at once, and what refers to it stops working.'}{' '}
        The value cannot be had back from here; revoke it where it came from too if it may be known.
      </ConfirmDialog>
    </>
  )
}
