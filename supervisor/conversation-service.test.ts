import { expect, test } from 'vitest'
import { createConversationService, titleOf } from './conversation-service.ts'
import type { GatewayClient } from './gateway-client.ts'

/** A gateway that answers from a table and remembers what it was asked. */
function gatewayWith(answers: Record<string, unknown>) {
  const calls: [string, object | undefined][] = []
  const gateway: GatewayClient = {
    call: async (method, params) => {
      calls.push([method, params])
      return answers[method] ?? {}
    },
    subscribe: () => () => {},
    close: () => {},
    closed: new Promise(() => {}),
  }
  return { calls, service: createConversationService(async () => gateway) }
}

test("people's conversations of any origin are listed, machines' are not", async () => {
  const keys = ['reef-1', 'main', 'telegram:direct:42', 'openai:x', 'reef-warmup', 'cron:daily', 'subagent:y']
  const { service } = gatewayWith({
    'sessions.list': {
      sessions: [
        ...keys.map((name) => ({ key: `agent:main:${name}`, lastInteractionAt: 1_000 })),
        { key: 'agent:main:heartbeat', updatedAt: 1_000 },
        { key: 'agent:main:reef-2', archived: true, lastInteractionAt: 1_000 },
        { key: 'global', lastInteractionAt: 1_000 },
      ],
    },
  })
  const listed = await service.list()
  expect(listed).toHaveLength(3)
  expect(listed[0]).toEqual({
    id: 'reef-1',
    title: 'New conversation',
    updatedAt: '1970-01-01T00:00:01.000Z',
  })
  for (const { id } of listed) expect(encodeURIComponent(id)).toBe(id)
})

test('an id leads back to the session it was made from', async () => {
  const { service, calls } = gatewayWith({
    'sessions.list': { sessions: [{ key: 'agent:main:telegram:direct:42', lastInteractionAt: 1_000 }] },
    'chat.abort': { aborted: true },
  })
  const [telegram] = await service.list()
  expect(await service.stop(telegram?.id ?? '')).toBe(true)
  expect(calls.at(-1)).toEqual(['chat.abort', { sessionKey: 'agent:main:telegram:direct:42' }])
})

test('a second message during a turn is refused and not sent', async () => {
  const { service, calls } = gatewayWith({ 'chat.history': { sessionInfo: { hasActiveRun: true } } })
  const events = []
  for await (const event of service.send('reef-1', 'Hello')) events.push(event)
  expect(events).toMatchObject([{ type: 'error', code: 'turn_underway' }])
  expect(calls.map(([method]) => method)).not.toContain('chat.send')
})

test('a title is the first line, cut at a word', () => {
  expect(titleOf('  Hello\nworld')).toBe('Hello')
  expect(titleOf('')).toBe('New conversation')
  const title = titleOf('word '.repeat(40))
  expect(title).toMatch(/word…$/)
  expect(title.length).toBeLessThanOrEqual(61)
})
