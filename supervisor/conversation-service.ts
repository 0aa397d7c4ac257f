import { randomBytes, randomUUID } from 'node:crypto'
import { z } from 'zod'
import type { Conversation, ConversationMessage, TurnEvent } from './conversations.ts'
import type { GatewayClient } from './gateway-client.ts'
import { historySchema, toMessages } from './transcript.ts'
import { createTurnReader } from './turn.ts'

/** Conversations as protocol.ts's neighbour describes them, kept by OpenClaw as its own sessions. */
export interface ConversationService {
  list(): Promise<Conversation[]>
  create(): Conversation
  messages(id: string): Promise<ConversationMessage[]>
  /** Ends after `done` or `error`. A reader who leaves early does not stop the turn. */
  send(id: string, text: string): AsyncIterable<TurnEvent>
  stop(id: string): Promise<boolean>
  remove(id: string): Promise<void>
}

const sessionsSchema = z.looseObject({
  sessions: z.array(
    z.looseObject({
      key: z.string(),
      displayName: z.string().nullish(),
      derivedTitle: z.string().nullish(),
      label: z.string().nullish(),
      lastMessagePreview: z.string().nullish(),
      updatedAt: z.number().nullish(),
      lastInteractionAt: z.number().nullish(),
      archived: z.boolean().nullish(),
      isBackground: z.boolean().nullish(),
      hasActiveRun: z.boolean().nullish(),
    }),
  ),
})

const keyPrefix = 'agent:main:'
const ownPrefix = 'reef-'
/** What no person wrote: calls of the API, timers, helpers of other agents and the pool's throw-away turn. */
const notConversations =
  /^(openai|openai-user|openresponses|openresponses-user|cron|subagent|acp|hook|reef-warmup)\b/
const listMax = 200
const messagesMax = 500
const titleCharactersMax = 60
export const warmupSessionKey = `${keyPrefix}reef-warmup`

/** The session's key behind a conversation's id. Throws nothing: an id that nobody gave names a session that is not there. */
function keyOf(id: string): string {
  return keyPrefix + (id.startsWith('_') ? Buffer.from(id.slice(1), 'base64url').toString() : id)
}

/** Keys of other origins hold colons and more; those are encoded, so that every id fits into a path. */
function idOf(key: string): string {
  const name = key.slice(keyPrefix.length)
  return /^[a-z0-9-]+$/.test(name) ? name : `_${Buffer.from(name).toString('base64url')}`
}

export function createConversationService(gateway: GatewayClient): ConversationService {
  const listSessions = async (params: object) =>
    sessionsSchema.parse(await gateway.call('sessions.list', { limit: listMax, ...params })).sessions

  async function* send(id: string, text: string): AsyncIterable<TurnEvent> {
    const key = keyOf(id)
    const runId = `reef-${randomUUID()}`
    const read = createTurnReader(runId)
    const waiting: TurnEvent[] = []
    let arrived = Promise.withResolvers<void>()
    const push = (events: TurnEvent[]) => {
      if (events.length === 0) return
      waiting.push(...events)
      arrived.resolve()
    }
    const unsubscribe = gateway.subscribe((event) => push(read(event)))
    void gateway.closed.then(() =>
      push([
        {
          type: 'error',
          code: 'openclaw_restarted',
          message: 'OpenClaw restarted during this turn. Ask again.',
        },
      ]),
    )
    try {
      if (id.startsWith(ownPrefix)) await gateway.call('sessions.create', { key, displayName: titleOf(text) })
      await gateway.call('sessions.messages.subscribe', { key })
      await gateway.call('chat.send', { sessionKey: key, message: text, idempotencyKey: runId })
      yield { type: 'started' }
      for (;;) {
        const event = waiting.shift()
        if (event) yield event
        if (event?.type === 'done' || event?.type === 'error') return
        if (waiting.length > 0) continue
        await arrived.promise
        arrived = Promise.withResolvers<void>()
      }
    } finally {
      unsubscribe()
      await gateway.call('sessions.messages.unsubscribe', { key }).catch(() => undefined)
    }
  }

  return {
    async list() {
      const sessions = await listSessions({
        sortBy: 'activity',
        includeDerivedTitles: true,
        includeLastMessage: true,
      })
      return sessions.filter(isConversation).map((session) => ({
        id: idOf(session.key),
        title:
          session.displayName ??
          session.label ??
          session.derivedTitle ??
          titleOf(session.lastMessagePreview ?? ''),
        updatedAt: isoOf(session.lastInteractionAt ?? session.updatedAt),
      }))
    },
    // OpenClaw hears of it with the first message, which also gives it its title: nothing empty is left behind.
    create: () => ({ id: ownPrefix + randomBytes(12).toString('hex'), title: titleOf(''), updatedAt: null }),
    async messages(id) {
      const history = await gateway.call('chat.history', { sessionKey: keyOf(id), limit: messagesMax })
      return toMessages(historySchema.parse(history))
    },
    send,
    async stop(id) {
      const result = await gateway.call('chat.abort', { sessionKey: keyOf(id) })
      return z.looseObject({ aborted: z.boolean().default(false) }).parse(result).aborted
    },
    async remove(id) {
      await gateway.call('sessions.delete', { key: keyOf(id), deleteTranscript: true })
    },
  }
}

function isConversation(session: z.infer<typeof sessionsSchema>['sessions'][number]): boolean {
  if (!session.key.startsWith(keyPrefix) || session.archived || session.isBackground) return false
  return !notConversations.test(session.key.slice(keyPrefix.length))
}

function isoOf(milliseconds: number | null | undefined): string | null {
  return milliseconds === null || milliseconds === undefined ? null : new Date(milliseconds).toISOString()
}

/** The first line of what was asked, cut at a word. */
export function titleOf(text: string): string {
  const line = text.trim().split('\n', 1)[0]?.trim() ?? ''
  if (line === '') return 'New conversation'
  if (line.length <= titleCharactersMax) return line
  const cut = line.slice(0, titleCharactersMax)
  const space = cut.lastIndexOf(' ')
  return `${cut.slice(0, space > titleCharactersMax / 2 ? space : titleCharactersMax)}…`
}

/** Sessions that work right now, of any origin. */
export async function listActiveSessionKeys(gateway: GatewayClient): Promise<string[]> {
  const result = await gateway.call(
    'sessions.list',
    { limit: listMax, activeOnly: true },
    { timeoutMs: 5_000 },
  )
  return sessionsSchema.parse(result).sessions.map((session) => session.key)
}
