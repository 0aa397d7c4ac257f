import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { warmupSessionKey } from './conversation-service.ts'
import type { GatewayClient } from './gateway-client.ts'
import { providerName } from './openclaw-config.ts'
import { createTurnReader } from './turn.ts'

const turnMaxMs = 60_000

/**
 * Takes one throw-away turn by each of the two ways that users come, because OpenClaw loads code at the first turn
 * of either: the HTTP API and then a chat as the dashboard and the Control UI open it. Its sessions are deleted, so
 * that whoever claims the slot finds an empty history. Throws when the model cannot be reached.
 */
export async function warmUp(
  gateway: GatewayClient,
  options: { port: number; password: string; model: string },
): Promise<void> {
  const model = `${providerName}/${options.model}`
  const keys = [warmupSessionKey, `${warmupSessionKey}-chat`]
  try {
    await takeHttpTurn(warmupSessionKey, model, options)
    await takeChatTurn(gateway, `${warmupSessionKey}-chat`, model)
  } finally {
    for (const key of keys)
      await gateway.call('sessions.delete', { key, deleteTranscript: true }).catch(() => undefined)
  }
}

async function takeHttpTurn(
  sessionKey: string,
  model: string,
  { port, password }: { port: number; password: string },
): Promise<void> {
  const response = await fetch(`http://127.0.0.1:${port}/v1/chat/completions`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${password}`,
      'content-type': 'application/json',
      'x-openclaw-model': model,
      'x-openclaw-session-key': sessionKey,
    },
    body: JSON.stringify({ model: 'openclaw', messages: [{ role: 'user', content: 'Say hello.' }] }),
    signal: AbortSignal.timeout(turnMaxMs),
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`OpenClaw answered ${response.status}: ${text.slice(0, 200)}`)
}

async function takeChatTurn(gateway: GatewayClient, key: string, model: string): Promise<void> {
  const runId = `reef-${randomUUID()}`
  const read = createTurnReader(runId)
  const ended = Promise.withResolvers<void>()
  const unsubscribe = gateway.subscribe((event) => {
    for (const turn of read(event)) {
      if (turn.type === 'done') ended.resolve()
      if (turn.type === 'error') ended.reject(new Error(turn.message))
    }
  })
  try {
    await gateway.call('sessions.create', { key, model, displayName: 'Warm-up' })
    await gateway.call('sessions.messages.subscribe', { key })
    await gateway.call('chat.send', { sessionKey: key, message: 'Say hello.', idempotencyKey: runId })
    await Promise.race([
      ended.promise,
      gateway.closed.then(() => Promise.reject(new Error('OpenClaw ended during the warm-up.'))),
      sleep(turnMaxMs, undefined, { ref: false }).then(() =>
        Promise.reject(new Error('The turn did not end.')),
      ),
    ])
    // As a page does after a turn, and at its start.
    await gateway.call('chat.history', { sessionKey: key, limit: 50 })
    await gateway.call('sessions.list', { limit: 50, includeDerivedTitles: true, includeLastMessage: true })
  } finally {
    unsubscribe()
    await gateway.call('sessions.messages.unsubscribe', { key }).catch(() => undefined)
  }
}
