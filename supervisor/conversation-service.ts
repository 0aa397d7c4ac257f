import { randomBytes, randomUUID } from 'node:crypto'
import { z } from 'zod'
import type { Conversation, ConversationMessage, TurnEvent } from './conversations.ts'
import { followRun } from './follow-run.ts'
import type { GatewayClient } from './gateway-client.ts'
import { historySchema, toMessages } from './transcript.ts'

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

/** The session's key behind a conversation's id. Throws nothing: an id that nobody gave names a session that is not there. */
function keyOf(id: string): string {
  return keyPrefix + (id.startsWith('_') ? Buffer.from(id.slice(1), 'base64url').toString() : id)
}

/** Keys of other origins hold colons and more; those are encoded, so that every id fits into a path. */
function idOf(key: string): string {
  const name = key.slice(keyPrefix.length)
  return /^[a-z0-9-]+$/.test(name) ? name : `_${Buffer.from(name).toString('base64url')}`
}

/** `reach` waits while OpenClaw asks its clients to sign in anew, and throws when it is not ready. */
export function createConversationService(reach: () => Promise<GatewayClient>): ConversationService {
  const call = async (method: string, params: object) => (await reach()).call(method, params)

  async function* send(id: string, text: string): AsyncIterable<TurnEvent> {
    const key = keyOf(id)
    const gateway = await reach()
    const { sessionInfo } = historySchema.parse(
      await gateway.call('chat.history', { sessionKey: key, limit: 1 }),
    )
    if (sessionInfo?.hasActiveRun) {
      yield {
        type: 'error',
        code: 'turn_underway',
        message: 'Wait for the current answer, or stop it first.',
      }
      return
    }
    const runId = `reef-${randomUUID()}`
    const run = await followRun(reach, key, runId)
    try {
      if (id.startsWith(ownPrefix)) await gateway.call('sessions.create', { key, displayName: titleOf(text) })
      await gateway.call('chat.send', { sessionKey: key, message: text, idempotencyKey: runId })
      yield { type: 'started' }
      yield* run.events
    } finally {
      run.leave()
    }
  }

  return {
    async list() {
      const sessions = sessionsSchema.parse(
        await call('sessions.list', {
          limit: listMax,
          sortBy: 'activity',
          includeDerivedTitles: true,
          includeLastMessage: true,
        }),
      ).sessions
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
      const history = await call('chat.history', { sessionKey: keyOf(id), limit: messagesMax })
      return toMessages(historySchema.parse(history))
    },
    send,
    async stop(id) {
      const result = await call('chat.abort', { sessionKey: keyOf(id) })
      return z.looseObject({ aborted: z.boolean().default(false) }).parse(result).aborted
    },
    async remove(id) {
      await call('sessions.delete', { key: keyOf(id), deleteTranscript: true })
    },
  }
}

function isConversation(session: z.infer<typeof sessionsSchema>['sessions'][number]): boolean {
  if (!session.key.startsWith(keyPrefix) || session.archived || session.isBackground) return false
  // OpenClaw also opens sessions for itself, such as for its heartbeat, in which nobody has said anything.
  if (!session.lastInteractionAt && !session.hasActiveRun) return false
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

const tellMs = 2_000

/** Leaves a note in the conversation that its owner had last, if there is one. */
export async function tellOwner(gateway: GatewayClient, message: string): Promise<void> {
  const list = await gateway.call(
    'sessions.list',
    { limit: listMax, sortBy: 'activity' },
    { timeoutMs: tellMs },
  )
  const newest = sessionsSchema.parse(list).sessions.find(isConversation)
  if (newest)
    await gateway.call(
      'chat.inject',
      { sessionKey: newest.key, message, label: 'Reef' },
      { timeoutMs: tellMs },
    )
}

/** Sessions that work right now, of any origin. Quick or not at all: heartbeats wait for it. */
export async function listActiveSessionKeys(gateway: GatewayClient): Promise<string[]> {
  const result = await gateway.call(
    'sessions.list',
    { limit: listMax, activeOnly: true },
    { timeoutMs: 2_000 },
  )
  return sessionsSchema.parse(result).sessions.map((session) => session.key)
}
