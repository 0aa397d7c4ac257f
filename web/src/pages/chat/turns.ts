import { useSyncExternalStore } from 'react'
import type { ConversationsClient } from '../../api/conversations.ts'
import { creditsKey } from '../../api/credits.ts'
import { isAbort, messageOf } from '../../api/errors.ts'
import { queryClient } from '../../api/query-client.ts'
import { conversationKeys } from './conversation-queries.ts'
import { applyEvent, fail, isActive, newTurn, type Turn } from './turn.ts'

/**
 * Turns under way, by conversation. They live outside React so that going to another page and back neither stops an
 * answer nor loses what has come of it.
 */
const turns = new Map<string, { turn: Turn; abort: AbortController }>()
const listeners = new Set<() => void>()
let notifyScheduled = false

/** How long a stop may take before the connection is simply closed, which stops the turn as well. */
const stopMs = 5_000

export function useTurn(conversationId: string | undefined): Turn | undefined {
  return useSyncExternalStore(subscribe, () => (conversationId ? turns.get(conversationId)?.turn : undefined))
}

export async function sendMessage(
  client: ConversationsClient,
  conversationId: string,
  text: string,
): Promise<void> {
  if (isActive(turns.get(conversationId)?.turn)) return
  const keys = conversationKeys(client)
  const known = queryClient.getQueryData<unknown[]>(keys.messages(conversationId))
  const abort = new AbortController()
  turns.set(conversationId, { turn: newTurn(text, known?.length ?? 0), abort })
  notify()
  const update = (change: (turn: Turn) => Turn) => {
    const entry = turns.get(conversationId)
    if (entry?.abort !== abort) return
    turns.set(conversationId, { turn: change(entry.turn), abort })
    notify()
  }
  try {
    for await (const event of client.send(conversationId, text, abort.signal))
      update((turn) => applyEvent(turn, event))
    update((turn) => fail(turn, 'The connection was lost before the answer was complete. Try again.'))
  } catch (error) {
    update((turn) => (isAbort(error) ? { ...turn, status: 'done' } : fail(turn, messageOf(error))))
  }
  // What was said has cost something. The history does not wait for it.
  void queryClient.invalidateQueries({ queryKey: creditsKey })
  await Promise.allSettled([
    queryClient.invalidateQueries({ queryKey: keys.messages(conversationId) }),
    queryClient.invalidateQueries({ queryKey: keys.list }),
  ])
  // The history now holds the answer. A failed turn stays until the person tries again.
  const entry = turns.get(conversationId)
  if (entry?.abort === abort && entry.turn.status === 'done') turns.delete(conversationId)
  notify()
}

export async function stopTurn(client: ConversationsClient, conversationId: string): Promise<void> {
  const entry = turns.get(conversationId)
  if (!entry || !isActive(entry.turn)) return
  turns.set(conversationId, { ...entry, turn: { ...entry.turn, status: 'stopping' } })
  notify()
  const timer = setTimeout(() => entry.abort.abort(), stopMs)
  await client.stop(conversationId).catch(() => entry.abort.abort())
  if (!isActive(turns.get(conversationId)?.turn)) clearTimeout(timer)
}

export function forgetTurn(conversationId: string): void {
  turns.get(conversationId)?.abort.abort()
  turns.delete(conversationId)
  notify()
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

/** At most one render per frame, however fast words come. Hidden tabs get no frames, hence the timer. */
function notify(): void {
  if (notifyScheduled) return
  notifyScheduled = true
  setTimeout(() => {
    notifyScheduled = false
    for (const listener of listeners) listener()
  }, 24)
}
