import { sql } from 'kysely'
import { Agent, fetch } from 'undici'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { readBook } from '../../test/support/book.ts'
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts'
import {
  type Behaviour,
  type FakeModelProvider,
  startFakeModelProvider,
} from '../../test/support/fake-model-provider.ts'
import { startTestGateway, type TestGateway } from '../../test/support/model-gateway.ts'
import { type Database, openDatabase } from '../db/database.ts'
import { createCallSettlements } from '../domain/credits/call-settlements.ts'
import { createCreditMeter } from '../domain/credits/credit-meter.ts'
import { createLedger } from '../domain/credits/ledger.ts'
import { createPrices } from '../domain/credits/price-service.ts'
import { costOfTokens, type ModelPrice } from '../domain/credits/prices.ts'
import type { Meter } from '../domain/usage/meter.ts'
import { newId } from '../ids.ts'

const price: ModelPrice = {
  input: 240_000_000,
  cachedInput: 24_000_000,
  cacheWriteInput: 300_000_000,
  output: 1_200_000_000,
  reasoning: 1_300_000_000,
}
const providerKey = 'sk-test'
const creditsUrl = 'https://reef.example/credits'
const lost: unknown[] = []

let database: TestDatabase
/** The second control plane's. */
let other: Database
let provider: FakeModelProvider
let gateways: TestGateway[]

beforeAll(async () => {
  database = await createTestDatabase()
  other = openDatabase({ url: database.loginUrl, connectionsMax: 10 })
  provider = await startFakeModelProvider(providerKey)
  await createPrices(database).publish(
    { userId: newId() },
    {
      models: { 'openai/gpt-test': price, 'anthropic/claude-test': price },
      plans: {},
      storagePerGibibyteMonth: 0,
      egressPerGibibyte: null,
    },
    null,
  )
  gateways = await Promise.all([database, other].map((one) => startGateway(meterOf(one))))
})
afterAll(async () => {
  // What it opens anew after a client has left would hold up the servers.
  await agent.destroy()
  for (const gateway of gateways) await gateway.close()
  await provider.close()
  await other.close()
  await database.drop()
})

const agent = new Agent()
let usualWords: string[]
beforeAll(() => {
  usualWords = provider.behaviour.words
})
afterEach(() => {
  provider.behaviour.words = usualWords
})

function meterOf(of: Database): Meter {
  return createCreditMeter({
    database: of,
    prices: createPrices(of),
    settlements: createCallSettlements({ database: of, onLost: (error) => lost.push(error) }),
    creditsUrl,
  })
}

const startGateway = (meter: Meter) =>
  startTestGateway({
    meter,
    environment: {
      OPENAI_API_KEY: providerKey,
      OPENAI_BASE_URL: `${provider.url}/v1`,
      ANTHROPIC_API_KEY: providerKey,
      ANTHROPIC_BASE_URL: provider.url,
      REEF_MODEL: 'openai/gpt-test',
      REEF_MODELS: 'anthropic/claude-test,openai/gpt-free',
    },
  })

/** An organization with credits and a slot that both control planes know. Answers its id and the slot's key. */
async function tenantWith(amount: number): Promise<{ organizationId: string; key: string }> {
  const organizationId = newId()
  const slotId = newId()
  await database.asSystem(async (trx) => {
    await trx
      .insertInto('organizations')
      .values({
        id: organizationId,
        name: 'T',
        slug: `o-${organizationId.slice(-12)}`,
        personal_user_id: null,
      })
      .execute()
    await sql`insert into slots (id, driver, state, spec_version) values (${slotId}, 'fake', 'available', '1')`.execute(
      trx,
    )
  })
  if (amount > 0) await createLedger(database).post({ kind: 'grant', organizationId, key: 'grant', amount })
  const [key] = gateways.map((gateway) => gateway.addSlot({ slotId, organizationId, instanceId: null }))
  return { organizationId, key: key ?? '' }
}

const protocols = ['chat_completions', 'responses', 'messages'] as const
type Protocol = (typeof protocols)[number]

interface Ask {
  key: string
  protocol: Protocol
  stream: boolean
  behaviour?: Partial<Behaviour>
  outputTokensMax?: number
  gateway?: TestGateway | undefined
  signal?: AbortSignal
  /** What is said, repeated. */
  length?: number
}

const paths = {
  chat_completions: '/models/v1/chat/completions',
  responses: '/models/v1/responses',
  messages: '/models/anthropic/v1/messages',
} as const
const limits = {
  chat_completions: 'max_tokens',
  responses: 'max_output_tokens',
  messages: 'max_tokens',
} as const

function ask({ key, protocol, stream, behaviour, outputTokensMax = 2000, length = 1, ...more }: Ask) {
  const messages = [{ role: 'user', content: 'Count. '.repeat(length) }]
  const gateway = more.gateway ?? gateways[0]
  return fetch(`${gateway?.url}${paths[protocol]}`, {
    method: 'POST',
    dispatcher: agent,
    headers: { authorization: `Bearer ${key}` },
    ...(more.signal ? { signal: more.signal } : {}),
    body: JSON.stringify({
      model: protocol === 'messages' ? 'anthropic/claude-test' : 'openai/gpt-test',
      [limits[protocol]]: outputTokensMax,
      stream,
      behaviour,
      ...(protocol === 'responses' ? { input: messages } : { messages }),
    }),
  })
}

const callsOf = (organizationId: string) =>
  database.asSystem((trx) =>
    trx.selectFrom('model_calls').selectAll().where('organization_id', '=', organizationId).execute(),
  )

const bookOf = (organizationId: string) => readBook(database, organizationId)

const allSettled = (organizationId: string) =>
  expect
    .poll(async () => (await callsOf(organizationId)).filter(({ outcome }) => outcome === 'pending').length, {
      timeout: 20_000,
    })
    .toBe(0)

/** The three records of one thing: what the provider says, what the gateway wrote, what the ledger took. */
async function expectAgreement(organizationId: string, granted: number): Promise<void> {
  const calls = await callsOf(organizationId)
  let spent = 0
  for (const call of calls) {
    const usage = {
      inputTokens: call.input_tokens,
      cachedInputTokens: call.cached_input_tokens,
      cacheWriteInputTokens: call.cache_write_input_tokens,
      outputTokens: call.output_tokens,
      reasoningTokens: call.reasoning_tokens,
    }
    const cost = call.outcome === 'failed' ? 0 : costOfTokens(price, usage)
    expect(call, call.id).toMatchObject({ cost, price_version: 1 })
    expect(call.cost).toBeLessThanOrEqual(call.reserved as number)
    spent += cost
  }
  const book = await bookOf(organizationId)
  expect(book).toMatchObject({ granted, spent, reserved: 0, written_off: 0, available: granted - spent })
  const { rows } = await database.asSystem((trx) =>
    sql<{ settled: number; open: number }>`
      select coalesce(sum(settled), 0)::bigint as settled, count(*) filter (where closed_at is null)::int as open
      from ledger_reservations where organization_id = ${organizationId}`.execute(trx),
  )
  expect(rows[0]).toEqual({ settled: spent, open: 0 })
}

describe('usage, record and ledger', () => {
  it('agree to the token and the micro-credit over thousands of calls with cuts, errors and retries', async () => {
    const granted = 1_000_000_000_000
    const { organizationId, key } = await tenantWith(granted)
    const before = { ...provider.reported }
    const outcomes: ((protocol: Protocol, gateway: TestGateway | undefined) => Promise<unknown>)[] = [
      async (protocol, gateway) => (await ask({ key, protocol, gateway, stream: false })).json(),
      async (protocol, gateway) => (await ask({ key, protocol, gateway, stream: true })).text(),
      // The provider breaks off.
      async (protocol, gateway) =>
        (await ask({ key, protocol, gateway, stream: true, behaviour: { cutAfterWords: 2 } })).text(),
      // It refuses, and the client tries again.
      async (protocol, gateway) => {
        const behaviour = { refuse: { status: 429, body: '{"error":{"message":"x","code":"slow_down"}}' } }
        expect((await ask({ key, protocol, gateway, stream: true, behaviour })).status).toBe(429)
        return (await ask({ key, protocol, gateway, stream: true })).text()
      },
      // The client leaves in the middle of an answer that would go on for a minute.
      async (protocol, gateway) => {
        const leaving = new AbortController()
        const behaviour = { words: Array<string>(1500).fill(' word'), wordMilliseconds: 20 }
        const { signal } = leaving
        const answer = await ask({ key, protocol, gateway, stream: true, behaviour, signal })
        let text = ''
        const decoder = new TextDecoder()
        await expect(async () => {
          for await (const chunk of answer.body ?? []) {
            text += decoder.decode(chunk, { stream: true })
            if (text.includes(' word')) leaving.abort()
          }
        }).rejects.toThrow()
      },
    ]
    const rounds = 2400
    let next = 0
    const worker = async (): Promise<void> => {
      for (let round = next++; round < rounds; round = next++)
        await outcomes[round % outcomes.length]?.(
          protocols[round % protocols.length] as Protocol,
          gateways[round % gateways.length],
        )
    }
    await Promise.all(Array.from({ length: 60 }, worker))
    await allSettled(organizationId)
    const calls = await callsOf(organizationId)
    expect(calls).toHaveLength((rounds / 5) * 6)
    const count = (outcome: string) => calls.filter((call) => call.outcome === outcome).length
    expect([count('succeeded'), count('failed'), count('cancelled')]).toEqual([1440, 480, 960])
    const told = calls.filter(({ estimated, outcome }) => outcome === 'succeeded' && !estimated)
    expect(told).toHaveLength(1440)
    const sum = (read: (call: (typeof calls)[number]) => number | null) =>
      told.reduce((total, call) => total + (read(call) ?? 0), 0)
    expect({
      inputTokens: sum((call) => call.input_tokens),
      cachedInputTokens: sum((call) => call.cached_input_tokens),
      outputTokens: sum((call) => call.output_tokens),
      reasoningTokens: sum((call) => call.reasoning_tokens),
    }).toEqual({
      inputTokens: provider.reported.inputTokens - before.inputTokens,
      cachedInputTokens: provider.reported.cachedInputTokens - before.cachedInputTokens,
      outputTokens: provider.reported.outputTokens - before.outputTokens,
      reasoningTokens: provider.reported.reasoningTokens - before.reasoningTokens,
    })
    for (const call of calls.filter(({ outcome }) => outcome === 'cancelled')) {
      expect(call.estimated).toBe(true)
      expect(call.input_tokens).toBeGreaterThan(0)
      expect(call.output_tokens).toBeGreaterThan(0)
    }
    await expectAgreement(organizationId, granted)
    expect(lost).toEqual([])
  }, 120_000)

  it('count an answer whose usage nobody tells', async () => {
    const granted = 1_000_000_000
    const { organizationId, key } = await tenantWith(granted)
    // A server that ends its stream without a word on what it used.
    const behaviour = { extraEvent: 'data: [DONE]\n\n', words: Array<string>(40).fill(' four') }
    await (await ask({ key, protocol: 'chat_completions', stream: true, behaviour })).text()
    await allSettled(organizationId)
    expect(await callsOf(organizationId)).toMatchObject([
      { outcome: 'succeeded', estimated: true, output_tokens: 50 },
    ])
    await expectAgreement(organizationId, granted)
  })
})

describe('at the edge of zero', () => {
  it('racing calls at two control planes spend all there is and nothing more', async () => {
    // About forty calls' worth; each can write up to what is admitted and does.
    const granted = 60_000_000
    const { organizationId, key } = await tenantWith(granted)
    provider.behaviour.words = Array<string>(3000).fill(' x')
    const waits: number[] = []
    const worker = async (index: number): Promise<void> => {
      for (;;) {
        const started = performance.now()
        const answer = await ask({
          key,
          protocol: protocols[index % 3] as Protocol,
          stream: index % 2 === 0,
          // Up to 2,100 characters, of which the provider makes as many tokens.
          length: 1 + (index % 3) * 150,
          gateway: gateways[index % gateways.length],
        })
        const text = await answer.text()
        if (answer.status === 200) continue
        waits.push(performance.now() - started)
        expect([402, 429], text).toContain(answer.status)
        if (answer.status === 402) {
          expect(text).toContain(creditsUrl)
          return
        }
        expect(answer.headers.get('retry-after')).toBe('2')
      }
    }
    await Promise.all(Array.from({ length: 24 }, (_, index) => worker(index)))
    await allSettled(organizationId)
    await expectAgreement(organizationId, granted)
    const book = await bookOf(organizationId)
    // Less than the longest call needs at least: its bytes as input, and 256 tokens as output.
    expect(book.available).toBeLessThan(3500 * 300 + 256 * 1300)
    expect(book.available).toBeGreaterThanOrEqual(0)
    waits.sort((a, b) => a - b)
    process.stdout.write(
      `refused ${waits.length} times, p50 ${waits[Math.floor(waits.length / 2)]?.toFixed(1)} ms, p99 ${waits[Math.floor(waits.length * 0.99)]?.toFixed(1)} ms\n`,
    )
  }, 60_000)

  it('an answer is cut to what is left, in every protocol', async () => {
    for (const protocol of protocols) {
      // Enough for the input at its dearest and some hundred tokens.
      const granted = 1400 * 300 + 500 * 1300
      const { organizationId, key } = await tenantWith(granted)
      provider.behaviour.words = Array<string>(1900).fill(' x')
      const answer = await ask({ key, protocol, stream: true })
      expect(answer.status).toBe(200)
      await answer.text()
      const sent = provider.seen.at(-1)?.body[limits[protocol]]
      expect(sent).toBeGreaterThanOrEqual(256)
      expect(sent).toBeLessThan(1000)
      await allSettled(organizationId)
      expect(await callsOf(organizationId)).toMatchObject([{ output_tokens: sent }])
      await expectAgreement(organizationId, granted)
    }
  })

  it('a conversation goes on by what was reported of its beginning, and not by its bytes', async () => {
    // Enough for the bytes of the first call, and for those of no other.
    const granted = 8_200_000
    const { organizationId, key } = await tenantWith(granted)
    const tools = [{ type: 'function', function: { name: 'read', description: 'd'.repeat(20_000) } }]
    const messages = [{ role: 'user', content: 'x'.repeat(5_000) }]
    const next = () =>
      fetch(`${gateways[0]?.url}${paths.chat_completions}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${key}` },
        body: JSON.stringify({ model: 'openai/gpt-test', max_tokens: 100, tools, messages }),
      })
    let answer = await next()
    let answered = 0
    while (answer.status === 200) {
      answered += 1
      await answer.text()
      await allSettled(organizationId)
      messages.push({ role: 'assistant', content: 'Yes.' }, { role: 'user', content: 'And on.' })
      answer = await next()
    }
    expect(answered).toBeGreaterThan(5)
    expect(await answer.text()).toMatch(/this can cost [\d.]+ Reef credits, and [\d.]+ are left/)
    // Of each call the provider reports some 5,200 tokens; at their dearest, and with the answer, they take so much.
    expect((await bookOf(organizationId)).available).toBeLessThan(6_000 * 300 + 100 * 1_300)
    await expectAgreement(organizationId, granted)
  })

  it('without credits a call is refused in its client’s shape and nobody is called', async () => {
    const { organizationId, key } = await tenantWith(0)
    const seen = provider.seen.length
    const bodies = await Promise.all(
      protocols.map(async (protocol) => {
        const answer = await ask({ key, protocol, stream: true })
        expect(answer.status).toBe(402)
        return answer.json()
      }),
    )
    const message = expect.stringMatching(/credits are used up.*https:\/\/reef\.example\/credits.*try again/)
    const openai = { error: { type: 'insufficient_quota', code: 'credits_exhausted', message } }
    expect(bodies).toMatchObject([
      openai,
      openai,
      { type: 'error', error: { type: 'billing_error', message } },
    ])
    expect(provider.seen.length).toBe(seen)
    expect(await callsOf(organizationId)).toEqual([])
  })

  it('a model that nobody has priced is refused with the operator’s part in it', async () => {
    const { key } = await tenantWith(1_000_000_000)
    const answer = await fetch(`${gateways[0]?.url}/models/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}` },
      body: JSON.stringify({ model: 'openai/gpt-free', messages: [] }),
    })
    expect(answer.status).toBe(409)
    expect(await answer.json()).toMatchObject({
      error: { code: 'model_unpriced', message: expect.stringContaining('openai/gpt-free') },
    })
  })
})
