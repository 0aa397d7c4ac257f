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
    list: ['conversations', client.baseUrl],
    messages: (conversationId: string) => ['messages', client.baseUrl, conversationId],
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

/** The client of the running instance's open session; opens one when there is none. Undefined until it is known. */
export function useConversations(): ConversationsClient | undefined {
  const { instance } = useMe()
  const info = useQuery(infoQuery)
  const running = instance?.status === 'running'
  const sessionId = running ? instance.sessionId : null
  const opening = running && sessionId === null
  useEffect(() => {
    if (opening) void openSession()
  }, [opening])
  return info.data && sessionId ? cachedClient(info.data.proxyUrl, sessionId) : undefined
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
function cachedClient(proxyUrl: string, sessionId: string): ConversationsClient {
  const fresh = conversationsClient(proxyUrl, sessionId)
  if (cached?.baseUrl !== fresh.baseUrl) cached = fresh
  return cached
}
