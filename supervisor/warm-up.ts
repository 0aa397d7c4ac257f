import { randomUUID } from 'node:crypto'
import { warmupSessionKey } from './conversation-service.ts'
import { followRun } from './follow-run.ts'
import type { GatewayClient } from './gateway-client.ts'
import { providerName } from './openclaw-config.ts'

const turnMaxMs = 60_000

/**
 * Takes throw-away turns by both of the ways that users come, because OpenClaw loads code at the first turn of either:
 * the HTTP API, and a chat as the dashboard and the Control UI open it. Their sessions are deleted, so that whoever claims the slot finds an empty history. Throws when the model cannot be reached.
 */
export async function warmUp(
  reach: () => Promise<GatewayClient>,
  options: { port: number; password: string; model: string },
): Promise<void> {
  const model = `${providerName}/${options.model}`
  const keys = [warmupSessionKey, `${warmupSessionKey}-chat`]
  try {
    await takeHttpTurn(warmupSessionKey, model, options)
    await takeChatTurn(reach, `${warmupSessionKey}-chat`, model)
    // The second turn of the API is still slower than all that follow: 0.9 s against 0.4 s were measured.
    await takeHttpTurn(warmupSessionKey, model, options)
  } finally {
    // Whatever happened: a slot that was claimed meanwhile must not show them either.
    const gateway = await reach()
    for (const key of keys) await gateway.call('sessions.delete', { key, deleteTranscript: true })
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

async function takeChatTurn(reach: () => Promise<GatewayClient>, key: string, model: string): Promise<void> {
  const runId = `reef-${randomUUID()}`
  const gateway = await reach()
  const run = await followRun(reach, key, runId)
  const timer = setTimeout(run.leave, turnMaxMs)
  try {
    await gateway.call('sessions.create', { key, model, displayName: 'Warm-up' })
    await gateway.call('chat.send', { sessionKey: key, message: 'Say hello.', idempotencyKey: runId })
    for await (const event of run.events) if (event.type === 'error') throw new Error(event.message)
  } finally {
    clearTimeout(timer)
    run.leave()
  }
  // As a page does when it opens.
  const page = await reach()
  await page.call('chat.history', { sessionKey: key, limit: 50 })
  await page.call('sessions.list', { limit: 50, includeDerivedTitles: true, includeLastMessage: true })
}
