import type { z } from 'zod'
import type { tokensSchema } from '../../src/http/schemas/accounts.ts'
import type { instanceSchema, meSchema } from '../../src/http/schemas/instances.ts'
import type { TurnEvent } from '../../supervisor/conversations.ts'

type Tokens = z.infer<typeof tokensSchema>
export type Instance = z.infer<typeof instanceSchema>
export type Me = z.infer<typeof meSchema>

/** A person who uses nothing but the public API. */
export interface TestClient {
  readonly tokens: Tokens
  /** Sends JSON and returns the answer's; throws with status and body unless it is a 2xx. */
  call<T>(method: string, path: string, body?: unknown): Promise<T>
  raw(method: string, path: string, body?: unknown): Promise<Response>
  /** Provisions and waits until the instance runs. */
  provision(): Promise<Instance>
  /** Waits until /api/me shows an instance that satisfies the condition. */
  untilInstance(condition: (instance: Instance) => boolean, what: string): Promise<Instance>
  /** Sends one message in a conversation and collects its events until the turn ends. */
  say(sessionId: string, conversationId: string, text: string): Promise<TurnEvent[]>
}

const runningMillisecondsMax = 120_000

export async function signUp(url: string, proxyUrl: string, email: string): Promise<TestClient> {
  const response = await fetch(`${url}/api/auth/sign-up`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ email, password: 'correct horse battery', name: email.split('@')[0] }),
  })
  if (!response.ok) throw new Error(`sign-up: ${response.status} ${await response.text()}`)
  return clientOf(url, proxyUrl, (await response.json()) as Tokens)
}

function clientOf(url: string, proxyUrl: string, tokens: Tokens): TestClient {
  const request = (base: string, method: string, path: string, body?: unknown): Promise<Response> =>
    fetch(`${base}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${tokens.accessToken}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
  const raw: TestClient['raw'] = (method, path, body) =>
    request(/^\/(v1\/|api\/sessions\/[^/]+\/)/.test(path) ? proxyUrl : url, method, path, body)
  const call = async <T>(method: string, path: string, body?: unknown): Promise<T> => {
    const response = await raw(method, path, body)
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`)
    return (await response.json()) as T
  }
  const untilInstance: TestClient['untilInstance'] = async (condition, what) => {
    const deadline = Date.now() + runningMillisecondsMax
    for (;;) {
      // The control plane may be the very thing that was killed: keep asking.
      const me = await call<Me>('GET', '/api/me').catch(() => undefined)
      if (me?.instance && condition(me.instance)) return me.instance
      if (Date.now() > deadline)
        throw new Error(`the instance did not come to be ${what}: ${JSON.stringify(me?.instance)}`)
      await new Promise((done) => setTimeout(done, 100))
    }
  }
  return {
    tokens,
    raw,
    call,
    untilInstance,
    provision: async () => {
      await call('POST', '/api/provision', {})
      return untilInstance((instance) => instance.status === 'running', 'running')
    },
    say: async (sessionId, conversationId, text) => {
      const response = await raw(
        'POST',
        `/api/sessions/${sessionId}/conversations/${conversationId}/messages`,
        { text },
      )
      if (!response.ok) throw new Error(`message: ${response.status} ${await response.text()}`)
      return parseEvents(await response.text())
    },
  }
}

function parseEvents(stream: string): TurnEvent[] {
  return stream
    .split('\n')
    .filter((line) => line.startsWith('data:'))
    .map((line) => JSON.parse(line.slice('data:'.length)) as TurnEvent)
}

/** What the assistant said, whole. */
export function textOf(events: TurnEvent[]): string {
  return events.map((event) => (event.type === 'text' ? event.delta : '')).join('')
}
