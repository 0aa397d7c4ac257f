import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { ArrowDown } from 'lucide-react'
import { useEffect, useState } from 'react'
import type { ConversationsClient } from '../../api/conversations.ts'
import { isNotFound } from '../../api/errors.ts'
import { isAsleep } from '../../app/instance-state.ts'
import { useMe } from '../../app/use-me.ts'
import { paths } from '../../paths.ts'
import { buttonClass } from '../../ui/button.tsx'
import { ErrorNotice } from '../../ui/notice.tsx'
import { Composer } from './composer.tsx'
import { awaitsAnswer, messagesQuery, quietWhile } from './conversation-queries.ts'
import { MessageView, Thinking } from './message-view.tsx'
import { MessagesSkeleton } from './messages-skeleton.tsx'
import { isActive } from './turn.ts'
import { TurnView } from './turn-view.tsx'
import { sendMessage, stopTurn, useTurn } from './turns.ts'
import { useStickToBottom } from './use-stick-to-bottom.ts'

interface ConversationViewProps {
  client: ConversationsClient
  conversationId: string
}

export function ConversationView({ client, conversationId }: ConversationViewProps) {
  const [draft, setDraft] = useState('')
  const { instance } = useMe()
  const asleep = instance !== null && isAsleep(instance)
  const history = useQuery({ ...messagesQuery(client, conversationId), ...quietWhile(asleep) })
  const turn = useTurn(conversationId)
  const { scroller, content, atBottom, toBottom } = useStickToBottom<HTMLDivElement>()
  const active = isActive(turn)
  const messages = history.data?.slice(0, turn?.messagesBefore)

  // biome-ignore lint/correctness/useExhaustiveDependencies: a message of one's own is always worth seeing.
  useEffect(toBottom, [turn?.text])

  const send = (text: string) => {
    setDraft('')
    void sendMessage(client, conversationId, text)
  }
  if (isNotFound(history.error) && !turn) return <ConversationGone />
  return (
    <>
      <div ref={scroller} className="relative min-h-0 flex-1 overflow-y-auto">
        <div
          ref={content}
          role="log"
          aria-label="Conversation"
          aria-busy={active}
          className="mx-auto max-w-3xl space-y-7 px-4 pt-5 pb-8 sm:px-6"
        >
          {history.isPending && !turn && <MessagesSkeleton />}
          {history.error && !turn && (
            <ErrorNotice error={history.error} onRetry={() => void history.refetch()} />
          )}
          {messages?.map((message) => (
            <MessageView key={message.id} message={message} />
          ))}
          {turn && <TurnView turn={turn} onRetry={() => send(turn.text)} />}
          {!turn && awaitsAnswer(history.data) && <Thinking />}
        </div>
        {!atBottom && (
          <button
            type="button"
            onClick={toBottom}
            className="sticky bottom-3 left-1/2 flex h-8 -translate-x-1/2 items-center gap-1.5 rounded-full bg-raised px-3 text-[0.8125rem] font-medium shadow-float"
          >
            <ArrowDown size={14} /> Latest
          </button>
        )}
      </div>
      <Composer
        draft={draft}
        onDraft={setDraft}
        onSend={send}
        busy={active}
        stopping={turn?.status === 'stopping'}
        onStop={() => void stopTurn(client, conversationId)}
      />
    </>
  )
}

function ConversationGone() {
  return (
    <div className="flex flex-1 flex-col items-center justify-center px-6 text-center">
      <h2 className="text-xl">This conversation is not here</h2>
      <p className="mt-1.5 mb-5 text-ink-soft">It was deleted, or it belongs to another instance.</p>
      <Link {...paths.chat()} className={buttonClass('primary')}>
        New chat
      </Link>
    </div>
  )
}
