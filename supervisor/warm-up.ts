import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import { followRun } from './follow-run.ts'
import type { GatewayClient } from './gateway-client.ts'
import { providerName } from './openclaw-config.ts'

const turnMaxMs = 60_000
const sessionKey = 'agent:main:reef-warmup'
const describedSchema = z.looseObject({ session: z.looseObject({ sessionId: z.string() }) })

/**
 * Takes throw-away turns by both of the ways that users come, because OpenClaw loads code at the first turn of either:
 * the HTTP API, and a chat as the dashboard and the Control UI open it. Whoever claims the slot finds an empty history,
 * because the session is archived. It is not deleted at once: the turn after a deletion takes a second more, and that
 * would be the user's first. Throws when the model cannot be reached.
 */
export async function warmUp(
  reach: () => Promise<GatewayClient>,
  options: { port: number; password: string; model: string },
): Promise<void> {
  const model = `${providerName}/${options.model}`
  const gateway = await reach()
  await forgetWarmUp(gateway)
  await gateway.call('sessions.create', { key: sessionKey, model, displayName: 'Warm-up' })
  try {
    await takeHttpTurn(model, options)
    await takeChatTurn(reach)
    // The second turn of the API is still slower than all that follow: 0.9 s against 0.4 s were measured.
    await takeHttpTurn(model, options)
  } finally {
    await archive(await reach())
  }
}

/**
 * Deletes what an earlier warm-up left: before another one and at an orderly end, when no turn of a user can be slowed by
 * it. It never fails: what stays is an archived session that the next end deletes.
 */
export async function forgetWarmUp(gateway: GatewayClient): Promise<void> {
  await gateway
    .call('sessions.delete', { key: sessionKey, deleteTranscript: true }, { timeoutMs: 3_000 })
    .catch(() => undefined)
}

async function archive(gateway: GatewayClient): Promise<void> {
  const described = describedSchema.parse(await gateway.call('sessions.describe', { key: sessionKey }))
  const { sessionId } = described.session
  await gateway.call('sessions.patch', { key: sessionKey, archived: true, expectedSessionId: sessionId })
  // As a page does when it opens.
  await gateway.call('chat.history', { sessionKey: 'agent:main:main', limit: 50 })
  await gateway.call('sessions.list', { limit: 50, includeDerivedTitles: true, includeLastMessage: true })
}

async function takeHttpTurn(
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

async function takeChatTurn(reach: () => Promise<GatewayClient>): Promise<void> {
  const runId = `reef-${randomUUID()}`
  const gateway = await reach()
  const run = await followRun(reach, sessionKey, runId)
  const timer = setTimeout(run.leave, turnMaxMs)
  try {
    await gateway.call('chat.send', { sessionKey, message: 'Say hello.', idempotencyKey: runId })
    for await (const event of run.events) if (event.type === 'error') throw new Error(event.message)
  } finally {
    clearTimeout(timer)
    run.leave()
  }
}
