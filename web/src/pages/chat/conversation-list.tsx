import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { Link, useNavigate, useParams } from '@tanstack/react-router'
import { SquarePen, Trash2 } from 'lucide-react'
import { useEffect, useState } from 'react'
import type { ConversationsClient } from '../../api/conversations.ts'
import { messageOf } from '../../api/errors.ts'
import type { Conversation } from '../../api/types.ts'
import { isAwake } from '../../app/instance-state.ts'
import { shortcutText } from '../../app/shortcuts.ts'
import { useMe } from '../../app/use-me.ts'
import { paths } from '../../paths.ts'
import { IconButton } from '../../ui/button.tsx'
import { ConfirmDialog } from '../../ui/confirm-dialog.tsx'
import { Skeleton } from '../../ui/skeleton.tsx'
import { conversationKeys, conversationListQuery, useConversations } from './conversation-queries.ts'
import { forgetTurn } from './turns.ts'

export function ConversationList() {
  const navigate = useNavigate()
  const { instance } = useMe()
  const client = useConversations()
  // A first launch has nothing to list yet.
  if (!client && instance?.status === 'provisioning') return null
  return (
    <section aria-label="Conversations" className="flex h-full flex-col">
      <div className="flex items-center justify-between pr-3 pl-5.5">
        <h2 className="text-xs font-medium tracking-normal text-ink-faint">Conversations</h2>
        <IconButton
          label="New chat"
          title={`New chat (${shortcutText('O', true)})`}
          onClick={() => void navigate(paths.chat())}
          className="size-8"
        >
          <SquarePen size={16} />
        </IconButton>
      </div>
      <div className="mt-1 min-h-0 flex-1 overflow-y-auto px-3 pb-3">
        {client ? <Rows client={client} /> : <Placeholder />}
      </div>
    </section>
  )
}

function Rows({ client }: { client: ConversationsClient }) {
  const [deleting, setDeleting] = useState<Conversation>()
  const { instance } = useMe()
  const awake = instance !== null && isAwake(instance)
  const queryClient = useQueryClient()
  const list = useQuery({ ...conversationListQuery(client), enabled: awake })
  // A second try that is still to come would wake what has fallen asleep since the first.
  useEffect(() => {
    if (!awake) void queryClient.cancelQueries({ queryKey: conversationKeys(client).list })
  }, [awake, client, queryClient])
  if (!list.data && !awake)
    return (
      <p className="px-2.5 text-[0.8125rem] text-ink-faint">They are back when your OpenClaw is awake.</p>
    )
  if (list.isPending) return <Placeholder />
  if (list.error)
    return (
      <p className="px-2.5 text-[0.8125rem] text-ink-faint">
        {messageOf(list.error)}{' '}
        <button type="button" className="font-medium text-lagoon" onClick={() => void list.refetch()}>
          Try again
        </button>
      </p>
    )
  if (list.data.length === 0)
    return <p className="px-2.5 text-[0.8125rem] text-ink-faint">None yet. Write a message to begin one.</p>
  return (
    <ul className="space-y-px">
      {list.data.map((conversation) => (
        <Row key={conversation.id} conversation={conversation} onDelete={() => setDeleting(conversation)} />
      ))}
      {deleting && (
        <DeleteDialog client={client} conversation={deleting} onClose={() => setDeleting(undefined)} />
      )}
    </ul>
  )
}

function Row({ conversation, onDelete }: { conversation: Conversation; onDelete: () => void }) {
  const title = conversation.title || 'New chat'
  return (
    <li className="group relative">
      <Link
        {...paths.conversation(conversation.id)}
        className="flex h-8.5 items-center rounded-control px-2.5 text-sm text-ink-soft transition-colors group-hover:bg-hover hover:text-ink aria-[current=page]:bg-surface aria-[current=page]:font-medium aria-[current=page]:text-ink aria-[current=page]:shadow-card"
      >
        <span className="truncate group-focus-within:pr-7 group-hover:pr-7">{title}</span>
      </Link>
      <IconButton
        label={`Delete ${title}`}
        onClick={onDelete}
        className="absolute top-0.5 right-0.5 size-7.5 opacity-0 group-focus-within:opacity-100 group-hover:opacity-100 hover:text-bad [@media(hover:none)]:opacity-70"
      >
        <Trash2 size={14} />
      </IconButton>
    </li>
  )
}

interface DeleteDialogProps {
  client: ConversationsClient
  conversation: Conversation
  onClose: () => void
}

function DeleteDialog({ client, conversation, onClose }: DeleteDialogProps) {
  const queryClient = useQueryClient()
  const navigate = useNavigate()
  const { conversationId } = useParams({ strict: false })
  const remove = useMutation({
    mutationFn: () => client.remove(conversation.id),
    onSuccess: async () => {
      forgetTurn(conversation.id)
      if (conversationId === conversation.id) await navigate(paths.chat())
      queryClient.setQueryData<Conversation[]>(conversationKeys(client).list, (list) =>
        list?.filter(({ id }) => id !== conversation.id),
      )
      onClose()
    },
  })
  return (
    <ConfirmDialog
      open
      onClose={onClose}
      title="Delete this conversation?"
      confirmLabel="Delete conversation"
      pending={remove.isPending}
      onConfirm={() => remove.mutate()}
    >
      “{conversation.title || 'New chat'}” and its history are gone for good. Files that were written stay.
    </ConfirmDialog>
  )
}

function Placeholder() {
  return (
    <div className="space-y-3 px-2.5 pt-2">
      <Skeleton className="h-3.5 w-4/5" />
      <Skeleton className="h-3.5 w-3/5" />
      <Skeleton className="h-3.5 w-2/3" />
    </div>
  )
}
