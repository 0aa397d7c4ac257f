import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { FilePenLine, Hand, SquareTerminal } from 'lucide-react'
import { useState } from 'react'
import type { ConversationsClient } from '../../api/conversations.ts'
import type { Conversation } from '../../api/types.ts'
import { paths } from '../../paths.ts'
import { Atoll } from '../../ui/atoll.tsx'
import { ErrorNotice } from '../../ui/notice.tsx'
import { Composer } from './composer.tsx'
import { conversationKeys } from './conversation-queries.ts'
import { sendMessage } from './turns.ts'

const suggestions = [
  { label: 'Say hello', text: 'Hello! Who are you, and what can you do?', icon: <Hand size={16} /> },
  { label: 'Run ls', text: 'Run ls', icon: <SquareTerminal size={16} /> },
  {
    label: 'Write a note',
    text: 'Write a note that says: Reef works.',
    icon: <FilePenLine size={16} />,
  },
]

/** The empty chat. The conversation itself is made with the first message. */
export function NewConversation({ client }: { client: ConversationsClient }) {
  const queryClient = useQueryClient()
  const navigate = useNavigate()
  const [draft, setDraft] = useState('')
  const begin = useMutation({
    meta: { showsError: true },
    mutationFn: async (text: string) => ({ text, conversation: await client.create() }),
    onSuccess: async ({ text, conversation }) => {
      const keys = conversationKeys(client)
      queryClient.setQueryData(keys.messages(conversation.id), [])
      queryClient.setQueryData<Conversation[]>(keys.list, (list) => [
        // Until the instance has given it a title, what was asked is the best one.
        { ...conversation, title: text.slice(0, 80) },
        ...(list ?? []),
      ])
      void sendMessage(client, conversation.id, text)
      await navigate(paths.conversation(conversation.id))
    },
  })
  const send = (text: string) => {
    setDraft(text)
    begin.mutate(text)
  }
  return (
    <>
      <div className="flex min-h-0 flex-1 flex-col items-center justify-center overflow-y-auto px-4 py-6 text-center">
        <Atoll size={56} className="mb-5 text-ink" />
        <h2 className="text-2xl">What shall we do?</h2>
        <p className="mt-1.5 max-w-sm text-ink-soft">
          Your OpenClaw can run commands and edit files in its own workspace.
        </p>
        <div className="mt-6 flex flex-wrap justify-center gap-2">
          {suggestions.map(({ label, text, icon }) => (
            <button
              key={label}
              type="button"
              disabled={begin.isPending}
              onClick={() => send(text)}
              className="inline-flex h-10 items-center gap-2 rounded-full border border-line bg-surface px-4 text-sm font-medium shadow-card transition-colors hover:border-line-strong hover:bg-hover disabled:opacity-50"
            >
              <span className="text-coral-ink">{icon}</span>
              {label}
            </button>
          ))}
        </div>
      </div>
      {begin.error && (
        <div className="mx-auto w-full max-w-3xl px-4 pb-2 sm:px-6">
          <ErrorNotice error={begin.error} onRetry={() => begin.mutate(draft)} />
        </div>
      )}
      <Composer draft={draft} onDraft={setDraft} onSend={send} busy={begin.isPending} />
    </>
  )
}
