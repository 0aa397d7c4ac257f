import { useQuery } from '@tanstack/react-query'
import { Plus } from 'lucide-react'
import { useState } from 'react'
import type { Instance, Secret } from '../../api/types.ts'
import { useMe } from '../../app/use-me.ts'
import { Button } from '../../ui/button.tsx'
import { Card, EmptyState } from '../../ui/card.tsx'
import { ErrorNotice } from '../../ui/notice.tsx'
import { SkeletonRows } from '../../ui/skeleton.tsx'
import { HowToUse } from './how-to-use.tsx'
import { secretsQuery } from './queries.ts'
import { SecretDialog } from './secret-dialog.tsx'
import { SecretEventsCard } from './secret-events-card.tsx'
import { SecretRow } from './secret-row.tsx'

export function SecretsPage() {
  const { instance } = useMe()
  return instance && <Secrets key={instance.id} instance={instance} />
}

function Secrets({ instance }: { instance: Instance }) {
  const secrets = useQuery(secretsQuery(instance.id))
  /** What the dialog is about: a new one, or a new value of this one. */
  const [editing, setEditing] = useState<'new' | Secret>()
  const add = () => setEditing('new')
  return (
    <>
      <Card
        title="Secrets"
        description="Values go in and never come back: no page, log or answer shows them again."
        flush
        actions={
          <Button variant="primary" size="small" icon={<Plus size={15} />} onClick={add}>
            Add secret
          </Button>
        }
      >
        {secrets.isPending && <SkeletonRows />}
        {secrets.error && (
          <ErrorNotice error={secrets.error} onRetry={() => void secrets.refetch()} className="m-5" />
        )}
        {secrets.data?.length === 0 && (
          <EmptyState title="No secrets yet">
            Keep keys, tokens and passwords here instead of writing them into a chat or a file. OpenClaw’s
            configuration refers to one by its name, and commands can be given it as an environment variable.
          </EmptyState>
        )}
        <ul className="divide-y divide-line">
          {secrets.data?.map((secret) => (
            <SecretRow
              key={secret.id}
              secret={secret}
              instanceId={instance.id}
              onReplace={() => setEditing(secret)}
            />
          ))}
        </ul>
      </Card>
      <HowToUse name={secrets.data?.find(({ overridden }) => !overridden)?.name ?? 'GITHUB_TOKEN'} />
      <SecretEventsCard instanceId={instance.id} />
      {editing && (
        <SecretDialog
          instance={instance}
          secret={editing === 'new' ? null : editing}
          onClose={() => setEditing(undefined)}
        />
      )}
    </>
  )
}
