import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { listActiveSessionKeys } from './conversation-service.ts'
import type { GatewayClient } from './gateway-client.ts'

const suspensionSchema = z.looseObject({ status: z.string(), suspensionId: z.string().optional() })
const pollEveryMs = 200

/**
 * Lets what OpenClaw is doing come to its end, for at most `graceSeconds`, while it takes on nothing new; what is not
 * done by then is aborted. Afterwards SIGTERM ends OpenClaw within about two seconds: without this it would itself
 * wait more than five minutes for a busy turn. Best effort: the caller stops it by force in any case.
 */
export async function drainOpenClaw(gateway: GatewayClient, graceSeconds: number): Promise<void> {
  // OpenClaw holds its own drain for two minutes at most.
  const deadline = Date.now() + Math.min(graceSeconds, 100) * 1000
  if (graceSeconds > 0) {
    const requestId = randomUUID()
    const prepared = await callSuspend(gateway, 'gateway.suspend.prepare', {
      requestId,
      terminalPolicy: 'terminate',
      drain: true,
    })
    let { status, suspensionId } = prepared
    while (status === 'draining' && suspensionId !== undefined && Date.now() < deadline) {
      await sleep(pollEveryMs)
      status = (await callSuspend(gateway, 'gateway.suspend.status', { suspensionId })).status
    }
    if (status === 'ready') return
    // Aborting is work too, which it refuses while it drains.
    if (suspensionId !== undefined) await gateway.call('gateway.suspend.resume', { suspensionId })
  }
  const keys = await listActiveSessionKeys(gateway)
  await Promise.all(
    keys.map((key) => gateway.call('sessions.abort', { key, clearQueued: true }).catch(() => undefined)),
  )
}

async function callSuspend(gateway: GatewayClient, method: string, params: object) {
  return suspensionSchema.parse(await gateway.call(method, params, { timeoutMs: 5_000 }))
}
