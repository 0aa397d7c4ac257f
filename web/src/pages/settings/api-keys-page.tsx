import { useQuery } from '@tanstack/react-query'
import { Plus } from 'lucide-react'
import { useState } from 'react'
import { apiKeysQuery } from '../../api/queries.ts'
import type { NewApiKey } from '../../api/types.ts'
import { Button } from '../../ui/button.tsx'
import { Card, EmptyState } from '../../ui/card.tsx'
import { ErrorNotice } from '../../ui/notice.tsx'
import { SkeletonRows } from '../../ui/skeleton.tsx'
import { ApiKeyRow } from './api-key-row.tsx'
import { CreateApiKeyDialog } from './create-api-key-dialog.tsx'
import { NewKeyDialog } from './new-key-dialog.tsx'

export function ApiKeysPage() {
  const keys = useQuery(apiKeysQuery)
  const [creating, setCreating] = useState(false)
  const [created, setCreated] = useState<NewApiKey>()
  return (
    <Card
      title="API keys"
      description="For programs. A key calls the instance that its maker has in this organization."
      flush
      actions={
        <Button variant="primary" size="small" icon={<Plus size={15} />} onClick={() => setCreating(true)}>
          Create key
        </Button>
      }
    >
      {keys.isPending && <SkeletonRows />}
      {keys.error && (
        <div className="p-5">
          <ErrorNotice error={keys.error} onRetry={() => void keys.refetch()} />
        </div>
      )}
      {keys.data?.length === 0 && (
        <EmptyState title="No keys yet">Create one to chat with your instance from your own code.</EmptyState>
      )}
      <ul className="divide-y divide-line">
        {keys.data?.map((apiKey) => (
          <ApiKeyRow key={apiKey.id} apiKey={apiKey} />
        ))}
      </ul>
      {creating && (
        <CreateApiKeyDialog
          onClose={() => setCreating(false)}
          onCreated={(key) => {
            setCreating(false)
            setCreated(key)
          }}
        />
      )}
      {created && <NewKeyDialog apiKey={created} onClose={() => setCreated(undefined)} />}
    </Card>
  )
}
