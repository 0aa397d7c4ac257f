import { call, request } from './client.ts'
import { readEventStream } from './sse.ts'
import type { Conversation, ConversationMessage, TurnEvent } from './types.ts'

/**
 * The conversations of an instance, behind the proxy. Any session that the instance ever had leads to them, also one that
 * ended when it fell asleep.
 */
export function conversationsClient(proxyUrl: string, session: { id: string; instanceId: string }) {
  const baseUrl = `${proxyUrl.replace(/\/$/, '')}/api/sessions/${session.id}/conversations`
  const one = (id: string) => `${baseUrl}/${encodeURIComponent(id)}`
  return {
    sessionId: session.id,
    instanceId: session.instanceId,

    async list(): Promise<Conversation[]> {
      return (await call<{ conversations: Conversation[] }>('GET', baseUrl)).conversations
    },

    create(): Promise<Conversation> {
      return call('POST', baseUrl, { body: {} })
    },

    async remove(id: string): Promise<void> {
      await call('DELETE', one(id))
    },

    async messages(id: string): Promise<ConversationMessage[]> {
      return (await call<{ messages: ConversationMessage[] }>('GET', `${one(id)}/messages`)).messages
    },

    async stop(id: string): Promise<boolean> {
      return (await call<{ stopped: boolean }>('POST', `${one(id)}/stop`, { body: {} })).stopped
    },

    /** Sends a message and yields the turn as it happens; ends after `done` or `error`. */
    async *send(id: string, text: string, signal: AbortSignal): AsyncGenerator<TurnEvent> {
      const response = await request('POST', `${one(id)}/messages`, {
        body: { text },
        accept: 'text/event-stream',
        signal,
      })
      if (!response.body) return
      for await (const data of readEventStream(response.body)) yield JSON.parse(data) as TurnEvent
    },
  }
}

export type ConversationsClient = ReturnType<typeof conversationsClient>
