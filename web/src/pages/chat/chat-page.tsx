import { useParams } from '@tanstack/react-router'
import { useMe } from '../../app/use-me.ts'
import { ProvisionGate } from '../provision/provision-gate.tsx'
import { ChatHeader } from './chat-header.tsx'
import { useConversations } from './conversation-queries.ts'
import { ConversationView } from './conversation-view.tsx'
import { DemoNotice } from './demo-notice.tsx'
import { MessagesSkeleton } from './messages-skeleton.tsx'
import { NewConversation } from './new-conversation.tsx'
import { WakeNotice } from './wake-notice.tsx'

export function ChatPage() {
  return (
    <ProvisionGate>
      <Chat />
    </ProvisionGate>
  )
}

function Chat() {
  const { conversationId } = useParams({ strict: false })
  const { instance } = useMe()
  const client = useConversations()
  return (
    <div className="flex h-full flex-col">
      {instance && <ChatHeader client={client} conversationId={conversationId} instance={instance} />}
      <DemoNotice />
      {instance && <WakeNotice instance={instance} />}
      {!client && <MessagesSkeleton />}
      {client && !conversationId && <NewConversation client={client} />}
      {client && conversationId && (
        <ConversationView key={conversationId} client={client} conversationId={conversationId} />
      )}
    </div>
  )
}
