import type { TurnEvent } from './conversations.ts'
import type { GatewayClient } from './gateway-client.ts'
import { historySchema } from './transcript.ts'
import { createTurnReader } from './turn.ts'

/** One run's events as they come, ending with `done` or `error`. */
export interface FollowedRun {
  readonly events: AsyncIterable<TurnEvent>
  /** Stops listening, which ends `events`; the run goes on. */
  leave(): void
}

/**
 * Listens before the run is started, so that nothing of it is missed, and over a renewed connection: OpenClaw drops its
 * clients when access settings change, and the run goes on meanwhile.
 */
export async function followRun(
  reach: () => Promise<GatewayClient>,
  sessionKey: string,
  runId: string,
): Promise<FollowedRun> {
  const read = createTurnReader(runId)
  const waiting: TurnEvent[] = []
  let arrived = Promise.withResolvers<void>()
  let left = false
  let unsubscribe = () => {}
  const push = (events: TurnEvent[]) => {
    waiting.push(...events)
    if (events.length > 0) arrived.resolve()
  }

  async function listen(gateway: GatewayClient): Promise<void> {
    unsubscribe = gateway.subscribe((event) => push(read(event)))
    void gateway.closed.then(() => (left ? undefined : resume().catch(giveUp)))
    await gateway.call('sessions.messages.subscribe', { key: sessionKey })
  }

  async function resume(): Promise<void> {
    const gateway = await reach()
    await listen(gateway)
    const history = historySchema.parse(await gateway.call('chat.history', { sessionKey, limit: 1 }))
    // It ended while nobody listened; what it said is in the history.
    if (history.inFlightRun?.runId !== runId && !history.sessionInfo?.hasActiveRun)
      push([{ type: 'done', stopped: false }])
  }

  function giveUp(): void {
    push([
      {
        type: 'error',
        code: 'openclaw_restarted',
        message: 'OpenClaw restarted during this turn. Look at the conversation before you ask again.',
      },
    ])
  }

  async function* drain(): AsyncIterable<TurnEvent> {
    while (!left) {
      const event = waiting.shift()
      if (event) yield event
      if (event?.type === 'done' || event?.type === 'error') return
      if (waiting.length > 0) continue
      await arrived.promise
      arrived = Promise.withResolvers<void>()
    }
  }

  await listen(await reach())
  return {
    events: drain(),
    leave: () => {
      if (left) return
      left = true
      arrived.resolve()
      unsubscribe()
      void reach()
        .then((gateway) => gateway.call('sessions.messages.unsubscribe', { key: sessionKey }))
        .catch(() => undefined)
    },
  }
}
