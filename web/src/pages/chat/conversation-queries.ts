import { queryOptions, useQuery } from '@tanstack/react-query'
import { useEffect } from 'react'
import { call } from '../../api/client.ts'
import { type ConversationsClient, conversationsClient } from '../../api/conversations.ts'
import { isTransient } from '../../api/errors.ts'
import { acceptInstance } from '../../api/live.ts'
import { infoQuery } from '../../api/queries.ts'
import type { ConversationMessage, Instance, Session } from '../../api/types.ts'
import { useMe } from '../../app/use-me.ts'

export function conversationKeys(client: ConversationsClient) {
  return {
    list: ['conversations', client.instanceId],
    messages: (conversationId: string) => ['messages', client.instanceId, conversationId],
  }
}

export const conversationListQuery = (client: ConversationsClient) =>
  queryOptions({
    queryKey: conversationKeys(client).list,
    queryFn: () => client.list(),
    retry: retryWhileWaking,
  })

/** An answer that this tab did not ask for (another tab, a reload in mid-turn) shows up within this time. */
const foreignAnswerPollMs = 3_000
const foreignAnswerMsMax = 5 * 60_000

export const messagesQuery = (client: ConversationsClient, conversationId: string) =>
  queryOptions({
    queryKey: conversationKeys(client).messages(conversationId),
    queryFn: () => client.messages(conversationId),
    retry: retryWhileWaking,
    refetchInterval: (query) => (awaitsAnswer(query.state.data) ? foreignAnswerPollMs : false),
  })

export function awaitsAnswer(messages: ConversationMessage[] | undefined): boolean {
  const last = messages?.at(-1)
  return last?.role === 'user' && last.at !== null && Date.now() - Date.parse(last.at) < foreignAnswerMsMax
}

function retryWhileWaking(failures: number, error: Error): boolean {
  return isTransient(error) && failures < 4
}

/**
 * The client of the instance's conversations. Undefined until a session is known: the open one, else the last one, which
 * wakes an instance that sleeps as soon as something is asked of it, and not before.
 */
export function useConversations(): ConversationsClient | undefined {
  const { instance } = useMe()
  const info = useQuery(infoQuery)
  const instanceId = instance?.id ?? ''
  const open = instance?.sessionId ?? null
  const last = useQuery({ ...lastSessionQuery(instanceId), enabled: instance !== null && open === null })
  const sessionId = open ?? last.data ?? null
  const opening = instance?.status === 'running' && sessionId === null && (last.data === null || last.isError)
  useEffect(() => {
    if (opening) void openSession()
  }, [opening])
  return info.data && sessionId ? cachedClient(info.data.proxyUrl, { id: sessionId, instanceId }) : undefined
}

const lastSessionQuery = (instanceId: string) =>
  queryOptions({
    queryKey: ['last-session', instanceId],
    queryFn: async () => {
      const { sessions } = await call<{ sessions: Session[] }>('GET', '/api/sessions')
      return sessions.find((session) => session.instanceId === instanceId)?.id ?? null
    },
  })

/** A sleeping instance is not woken to look for news: there are none, and what is known stays on the screen. */
export function quietWhile(asleep: boolean) {
  return asleep
    ? { staleTime: Number.POSITIVE_INFINITY, refetchInterval: false as const, refetchOnWindowFocus: false }
    : {}
}

let pendingOpen: Promise<void> | undefined

/** Several components may find at once that no session is open; one request is enough. */
function openSession(): Promise<void> {
  pendingOpen ??= call<{ session: Session; instance: Instance }>('POST', '/api/sessions', { body: {} })
    .then(({ session, instance }) =>
      acceptInstance({ ...instance, sessionId: instance.sessionId ?? session.id }),
    )
    .catch(() => undefined)
    .finally(() => {
      pendingOpen = undefined
    })
  return pendingOpen
}

let cached: ConversationsClient | undefined
function cachedClient(proxyUrl: string, session: { id: string; instanceId: string }): ConversationsClient {
  if (cached?.sessionId !== session.id) cached = conversationsClient(proxyUrl, session)
  return cached
}
