import { useQuery } from '@tanstack/react-query'
import { ExternalLink } from 'lucide-react'
import type { ConversationsClient } from '../../api/conversations.ts'
import type { Instance } from '../../api/types.ts'
import { useVisit } from '../../app/instance-actions.ts'
import { Button } from '../../ui/button.tsx'
import { conversationListQuery } from './conversation-queries.ts'

interface ChatHeaderProps {
  client: ConversationsClient | undefined
  conversationId: string | undefined
  instance: Instance
}

export function ChatHeader({ client, conversationId, instance }: ChatHeaderProps) {
  const visit = useVisit(instance.id)
  return (
    <header className="flex h-13 shrink-0 items-center justify-between gap-3 px-4 sm:px-6">
      <h1 className="min-w-0 truncate text-sm font-semibold tracking-normal">
        {client && conversationId ? <Title client={client} conversationId={conversationId} /> : 'New chat'}
      </h1>
      {instance.actions.includes('open') && (
        <Button
          size="small"
          variant="quiet"
          icon={<ExternalLink size={15} />}
          pending={visit.isPending}
          onClick={() => visit.mutate()}
        >
          Open Control UI
        </Button>
      )}
    </header>
  )
}

function Title({ client, conversationId }: { client: ConversationsClient; conversationId: string }) {
  // The list beside it fetches; here it is only read.
  const list = useQuery({ ...conversationListQuery(client), enabled: false })
  return list.data?.find(({ id }) => id === conversationId)?.title || 'New chat'
}
