import { once } from 'node:events'
import { request as httpRequest } from 'node:http'
import { type AddressInfo, createServer } from 'node:net'
import Anthropic from '@anthropic-ai/sdk'
import OpenAI from 'openai'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type FakeModelProvider, startFakeModelProvider } from '../../test/support/fake-model-provider.ts'
import { createMemoryMeter, startTestGateway, type TestGateway } from '../../test/support/model-gateway.ts'
import type { TokenUsage } from '../domain/usage/meter.ts'

const providerKey = 'sk-canary-0123456789abcdefghij'
const meter = createMemoryMeter()
let provider: FakeModelProvider
let gateway: TestGateway
let openai: OpenAI
let anthropic: Anthropic

beforeAll(async () => {
  provider = await startFakeModelProvider(providerKey)
  gateway = await startTestGateway({
    meter,
    environment: {
      OPENAI_API_KEY: providerKey,
      OPENAI_BASE_URL: `${provider.url}/v1`,
      ANTHROPIC_API_KEY: providerKey,
      ANTHROPIC_BASE_URL: provider.url,
      REEF_MODEL: 'openai/gpt-test',
      REEF_MODELS: 'anthropic/claude-test',
    },
  })
  openai = new OpenAI({ baseURL: `${gateway.url}/models/v1`, apiKey: gateway.key, maxRetries: 0 })
  anthropic = new Anthropic({
    baseURL: `${gateway.url}/models/anthropic`,
    apiKey: gateway.key,
    maxRetries: 0,
  })
})
afterAll(async () => {
  await gateway.close()
  await provider.close()
})
const standard = () => ({ ...provider.behaviour })
let initial: ReturnType<typeof standard>
beforeEach(async () => {
  initial ??= standard()
  Object.assign(provider.behaviour, initial)
  await allSettled()
  meter.calls.length = 0
  provider.seen.length = 0
})

async function allSettled() {
  await expect.poll(() => meter.calls.every(({ end }) => end !== null)).toBe(true)
  return meter.calls.map(({ call, end }) => ({ call, end: end as NonNullable<typeof end> }))
}
async function onlyEnd() {
  await expect.poll(() => meter.calls.length).toBe(1)
  return (await allSettled())[0]?.end
}

async function drain(stream: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of stream);
}

const messages = [{ role: 'user' as const, content: 'Count to three.' }]
const chat = { model: 'openai/gpt-test', messages }
const text = 'One two three €'

describe('passing calls on to a provider', () => {
  it('answers chat completions, responses and messages as the provider does, whole and streamed', async () => {
    expect((await openai.chat.completions.create(chat)).choices[0]?.message.content).toBe(text)
    const chunks: string[] = []
    for await (const chunk of await openai.chat.completions.create({ ...chat, stream: true }))
      chunks.push(chunk.choices[0]?.delta.content ?? '')
    expect(chunks.join('')).toBe(text)
    expect((await openai.responses.create({ model: 'gpt-test', input: 'Count.' })).output_text).toBe(text)
    const streamed = openai.responses.stream({ model: 'gpt-test', input: 'Count.' })
    expect((await streamed.finalResponse()).output_text).toBe(text)
    const claude = { model: 'anthropic/claude-test', max_tokens: 100, messages }
    expect((await anthropic.messages.create(claude)).content).toMatchObject([{ text }])
    expect(await anthropic.messages.stream(claude).finalText()).toBe(text)
    // Anthropic's models answer chat completions too, at Anthropic's own compatible endpoint.
    const compatible = await openai.chat.completions.create({ ...chat, model: 'anthropic/claude-test' })
    expect(compatible.choices[0]?.message.content).toBe(text)
    expect(provider.seen.map(({ path, body }) => [path, body.model])).toEqual([
      ['/v1/chat/completions', 'gpt-test'],
      ['/v1/chat/completions', 'gpt-test'],
      ['/v1/responses', 'gpt-test'],
      ['/v1/responses', 'gpt-test'],
      ['/v1/messages', 'claude-test'],
      ['/v1/messages', 'claude-test'],
      ['/v1/chat/completions', 'claude-test'],
    ])
  })

  it('records the usage of every call to the token, as the provider counted it', async () => {
    const before = { ...provider.reported }
    const claude = { model: 'anthropic/claude-test', max_tokens: 100, messages }
    await Promise.all(
      Array.from({ length: 10 }, async () => {
        await openai.chat.completions.create(chat)
        await openai.chat.completions.stream(chat).finalMessage()
        await openai.responses.create({ model: 'gpt-test', input: 'Count.' })
        await openai.responses.stream({ model: 'gpt-test', input: 'Count.' }).finalResponse()
        await anthropic.messages.create(claude)
        await anthropic.messages.stream(claude).finalMessage()
      }),
    )
    await expect.poll(() => meter.calls.length).toBe(60)
    const ends = (await allSettled()).map(({ end }) => end)
    expect(new Set(ends.map(({ outcome }) => outcome))).toEqual(new Set(['succeeded']))
    const sum = (name: keyof TokenUsage) => ends.reduce((total, end) => total + (end.usage?.[name] ?? 0), 0)
    for (const name of ['inputTokens', 'cachedInputTokens', 'outputTokens', 'reasoningTokens'] as const)
      expect(sum(name), name).toBe(provider.reported[name] - before[name])
  })

  it('asks for the usage of a stream, and hides it from a client that did not', async () => {
    let reported: unknown
    for await (const chunk of await openai.chat.completions.create({ ...chat, stream: true })) {
      expect(chunk.choices).toHaveLength(1)
      reported ??= chunk.usage
    }
    expect(reported ?? null).toBeNull()
    expect(provider.seen[0]?.body.stream_options).toEqual({ include_usage: true })
    const asking = { ...chat, stream: true as const, stream_options: { include_usage: true } }
    for await (const chunk of await openai.chat.completions.create(asking)) reported ??= chunk.usage
    expect(reported).toMatchObject({ completion_tokens: 9 })
  })

  it('reads a stream rightly however its bytes arrive', async () => {
    provider.behaviour.pieceBytes = 3
    const message = await openai.chat.completions.stream(chat).finalMessage()
    expect(message.content).toBe(text)
    expect((await onlyEnd())?.usage?.outputTokens).toBe(9)
  })

  it('passes each event on at once and not in batches', async () => {
    provider.behaviour.wordMilliseconds = 150
    const arrivals: number[] = []
    for await (const _ of await openai.chat.completions.create({ ...chat, stream: true }))
      arrivals.push(performance.now())
    // Four words, 150 ms apart: were they held back, they would arrive together.
    expect((arrivals.at(-1) ?? 0) - (arrivals[0] ?? 0)).toBeGreaterThan(400)
  })

  it('sends the provider its own key and nothing of the client’s', async () => {
    await openai.chat.completions.create(chat, { headers: { cookie: 'a=b', 'x-custom': '1' } })
    const { headers } = provider.seen[0] as (typeof provider.seen)[0]
    expect(headers.authorization).toBe(`Bearer ${providerKey}`)
    expect(Object.keys(headers).sort()).toEqual(
      [
        'accept',
        'accept-encoding',
        'authorization',
        'connection',
        'content-length',
        'content-type',
        'host',
        'user-agent',
      ].sort(),
    )
    expect(JSON.stringify(headers)).not.toContain('rmk_')
  })

  it('lets a slot in the pool use the built-in model only', async () => {
    const apiKey = gateway.addSlot({ slotState: 'available', organizationId: null, instanceId: null })
    const pooled = new OpenAI({ baseURL: `${gateway.url}/models/v1`, apiKey, maxRetries: 0 })
    expect((await pooled.models.list()).data.map(({ id }) => id)).toEqual(['demo/reef-demo'])
    await pooled.chat.completions.create({ model: 'demo/reef-demo', messages })
    await expect(pooled.chat.completions.create(chat)).rejects.toThrow('Available: demo/reef-demo.')
    expect(provider.seen).toHaveLength(0)
  })

  it('serves a slot that is claimed at this moment, though it was still in the pool when it was looked up', async () => {
    const apiKey = gateway.addSlot({ slotState: 'available', organizationId: null, instanceId: null })
    const claimed = new OpenAI({ baseURL: `${gateway.url}/models/v1`, apiKey, maxRetries: 0 })
    const answer = claimed.chat.completions.create(chat)
    setTimeout(() => gateway.addSlot({ slotId: apiKey.slice(4, 40) }), 300)
    expect((await answer).choices[0]?.message.content).toBe(text)
    expect(meter.calls[0]?.call.organizationId).not.toBeNull()
  })
})

describe('a provider that fails', () => {
  it('is quoted with its status and Retry-After', async () => {
    provider.behaviour.refuse = {
      status: 429,
      body: JSON.stringify({
        error: { message: 'Slow down.', type: 'tokens', param: null, code: 'rate_limit_exceeded' },
      }),
      headers: { 'retry-after': '7' },
    }
    const failure = await openai.chat.completions.create(chat).catch((error: unknown) => error)
    if (!(failure instanceof OpenAI.RateLimitError)) throw failure
    expect(failure).toMatchObject({
      status: 429,
      code: 'rate_limit_exceeded',
      error: { message: 'Slow down.' },
    })
    expect(failure.headers.get('retry-after')).toBe('7')
    expect(failure.headers.get('openai-organization')).toBeNull()
    expect(await onlyEnd()).toMatchObject({
      outcome: 'failed',
      httpStatus: 429,
      errorCode: 'rate_limit_exceeded',
    })
  })

  it('is answered for in the client’s shape when it says nothing usable', async () => {
    provider.behaviour.refuse = { status: 503, body: '<html>Service unavailable</html>' }
    const failure = await openai.chat.completions.create(chat).catch((error: unknown) => error)
    expect(failure).toMatchObject({
      status: 503,
      error: { message: expect.stringContaining('openai answered 503') },
    })
  })

  it('never shows its key or its account, in an answer, an error or the log', async () => {
    const leaks = [
      {
        status: 401,
        body: JSON.stringify({ error: { message: `Incorrect API key provided: ${providerKey}` } }),
      },
      {
        status: 403,
        body: JSON.stringify({ error: { message: 'Organization org-abcdef12345 is disabled' } }),
      },
      {
        status: 400,
        body: JSON.stringify({ error: { message: `bad ${providerKey} of org-abcdef12345, sk-can****ghij` } }),
      },
      { status: 500, body: `oops ${providerKey}` },
    ]
    const answers: string[] = []
    for (const [index, refuse] of leaks.entries()) {
      provider.behaviour.refuse = refuse
      for (const stream of [true, false]) {
        const response = await fetch(`${gateway.url}/models/v1/chat/completions`, {
          method: 'POST',
          headers: { authorization: `Bearer ${gateway.key}` },
          body: JSON.stringify({ ...chat, stream }),
        })
        expect(response.status).toBe(leaks[index]?.status)
        answers.push(JSON.stringify([...response.headers]) + (await response.text()))
      }
    }
    provider.behaviour.refuse = null
    // Even a provider that puts its key into the words of an answer, whole or streamed.
    provider.behaviour.words = ['The key is ', providerKey]
    for (const stream of [true, false]) {
      const response = await fetch(`${gateway.url}/models/v1/chat/completions`, {
        method: 'POST',
        headers: { authorization: `Bearer ${gateway.key}` },
        body: JSON.stringify({ ...chat, stream }),
      })
      answers.push(await response.text())
    }
    provider.behaviour.extraEvent = `data: {"error":{"message":"sorry, ${providerKey}","code":"x"}}\n\n`
    await openai.chat.completions.create({ ...chat, stream: true }).then(async (stream) => {
      await expect(drain(stream)).rejects.toThrow('[redacted]')
    })
    const everything = answers.join('\n') + gateway.logged()
    expect(answers).toHaveLength(10)
    for (const secret of [providerKey, 'sk-can', 'org-abcdef', 'org-secret', gateway.key])
      expect(everything).not.toContain(secret)
  })

  it('that breaks off a stream leaves the client with an error and the call with what is known', async () => {
    provider.behaviour.cutAfterWords = 2
    const stream = await openai.chat.completions.create({ ...chat, stream: true })
    await expect(drain(stream)).rejects.toThrow('broke off')
    // The request had 98 bytes; two words of seven characters went by.
    expect(await onlyEnd()).toMatchObject({
      outcome: 'cancelled',
      errorCode: 'provider_cut',
      estimated: true,
      usage: { inputTokens: 25, outputTokens: 2 },
    })

    const claude = anthropic.messages.stream({ model: 'claude-test', max_tokens: 10, messages })
    await expect(claude.finalMessage()).rejects.toThrow('broke off')
    const [, { end } = { end: null }] = await allSettled()
    // Anthropic tells the input at the start, so that much is known.
    expect(end).toMatchObject({
      outcome: 'cancelled',
      estimated: true,
      usage: { inputTokens: JSON.stringify(messages).length, outputTokens: 2 },
    })

    const responses = openai.responses.stream({ model: 'gpt-test', input: 'x' })
    await expect(responses.finalResponse()).rejects.toThrow('broke off')
  })

  it('that breaks off a whole answer is a 502', async () => {
    provider.behaviour.cutAfterWords = 0
    await expect(openai.chat.completions.create(chat)).rejects.toMatchObject({
      status: 502,
      code: 'provider_cut',
    })
  })

  it('that reports an error in mid-stream is quoted, and the call has failed', async () => {
    provider.behaviour.extraEvent =
      'data: {"error":{"message":"Overloaded.","type":"server_error","code":"overloaded"}}\n\n'
    const stream = await openai.chat.completions.create({ ...chat, stream: true })
    await expect(drain(stream)).rejects.toThrow('Overloaded.')
    expect(await onlyEnd()).toMatchObject({ outcome: 'failed', errorCode: 'overloaded' })
  })

  it.each([
    { how: 'the provider breaks the connection', afterExtraEvent: 'cut' },
    { how: 'the client leaves', afterExtraEvent: 'silence' },
  ] as const)(
    'that reports an error in mid-stream has failed, also when $how then',
    async ({ afterExtraEvent }) => {
      const error = { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded.' } }
      const extraEvent = `event: error\ndata: ${JSON.stringify(error)}\n\n`
      Object.assign(provider.behaviour, { extraEvent, afterExtraEvent })
      const leaving = new AbortController()
      const answer = await fetch(`${gateway.url}/models/anthropic/v1/messages`, {
        method: 'POST',
        headers: { authorization: `Bearer ${gateway.key}` },
        body: JSON.stringify({ model: 'claude-test', max_tokens: 10, messages, stream: true }),
        signal: leaving.signal,
      })
      let told = ''
      const read = async (): Promise<void> => {
        const decoder = new TextDecoder()
        for await (const chunk of answer.body ?? []) {
          told += decoder.decode(chunk, { stream: true })
          if (afterExtraEvent === 'silence' && told.includes('Overloaded.')) leaving.abort()
        }
      }
      if (afterExtraEvent === 'silence') await expect(read()).rejects.toThrow('aborted')
      else await read()
      expect(told.match(/event: error/g)).toHaveLength(1)
      expect(await onlyEnd()).toMatchObject({ outcome: 'failed', errorCode: 'overloaded_error' })
    },
  )

  it('that cannot be reached is a 502 in the client’s shape', async () => {
    const closed = await startFakeModelProvider('k')
    await closed.close()
    const other = await startTestGateway({
      meter,
      environment: {
        OPENAI_API_KEY: providerKey,
        OPENAI_BASE_URL: closed.url,
        ANTHROPIC_API_KEY: providerKey,
        ANTHROPIC_BASE_URL: closed.url,
        REEF_MODEL: 'openai/gpt-test',
        REEF_MODELS: 'anthropic/claude-test',
      },
    })
    try {
      const client = new OpenAI({ baseURL: `${other.url}/models/v1`, apiKey: other.key, maxRetries: 0 })
      await expect(client.chat.completions.create(chat)).rejects.toMatchObject({
        status: 502,
        code: 'provider_unreachable',
      })
      const claude = new Anthropic({
        baseURL: `${other.url}/models/anthropic`,
        apiKey: other.key,
        maxRetries: 0,
      })
      await expect(
        claude.messages.create({ model: 'claude-test', max_tokens: 10, messages }),
      ).rejects.toMatchObject({ status: 502, error: { error: { type: 'api_error' } } })
      expect((await allSettled()).map(({ end }) => end.errorCode)).toEqual(
        Array(2).fill('provider_unreachable'),
      )
      expect(other.logged()).not.toContain(providerKey)
    } finally {
      await other.close()
    }
  })
})

describe('a client that leaves', () => {
  it('ends the provider’s answer within 100 ms, and the call is recorded as cancelled', async () => {
    provider.behaviour.words = Array(1000).fill(' word')
    provider.behaviour.wordMilliseconds = 10
    const stream = await openai.chat.completions.create({ ...chat, stream: true })
    for await (const _ of stream) break
    const left = performance.now()
    await expect.poll(() => provider.seen[0]?.aborted, { interval: 5 }).toBe(true)
    expect(performance.now() - left).toBeLessThan(100)
    expect(await onlyEnd()).toMatchObject({ outcome: 'cancelled', errorCode: 'client_gone' })
  })

  it('before the first byte ends the call too', async () => {
    provider.behaviour.wordMilliseconds = 60_000
    const leaving = new AbortController()
    const answer = openai.chat.completions.create(chat, { signal: leaving.signal })
    await expect.poll(() => provider.seen.length).toBe(1)
    leaving.abort()
    await expect(answer).rejects.toBeInstanceOf(OpenAI.APIUserAbortError)
    // The provider has read the request.
    expect(await onlyEnd()).toMatchObject({
      outcome: 'cancelled',
      errorCode: 'client_gone',
      estimated: true,
      usage: { inputTokens: expect.any(Number), outputTokens: 0 },
    })
    await expect.poll(() => provider.seen[0]?.aborted).toBe(true)
  })

  it('before its request could be sent to the provider has used nothing', async () => {
    // Takes the connection and never answers the TLS handshake.
    const silent = createServer((socket) => socket.resume()).listen(0, '127.0.0.1')
    await once(silent, 'listening')
    const other = await startTestGateway({
      meter,
      environment: {
        OPENAI_API_KEY: providerKey,
        OPENAI_BASE_URL: `https://127.0.0.1:${(silent.address() as AddressInfo).port}/v1`,
        REEF_MODEL: 'openai/gpt-test',
      },
    })
    try {
      const client = new OpenAI({ baseURL: `${other.url}/models/v1`, apiKey: other.key, maxRetries: 0 })
      const leaving = new AbortController()
      const answer = client.chat.completions.create(chat, { signal: leaving.signal })
      await once(silent, 'connection')
      leaving.abort()
      await expect(answer).rejects.toBeInstanceOf(OpenAI.APIUserAbortError)
      expect(await onlyEnd()).toMatchObject({
        outcome: 'cancelled',
        errorCode: 'client_gone',
        estimated: false,
        usage: null,
      })
    } finally {
      await other.close()
      silent.close()
    }
  })

  it('or that stops reading is not read ahead of', async () => {
    const word = 'x'.repeat(64 * 1024)
    provider.behaviour.words = Array(2000).fill(word)
    const url = new URL(`${gateway.url}/models/v1/chat/completions`)
    const request = httpRequest(url, { method: 'POST', headers: { authorization: `Bearer ${gateway.key}` } })
    request.end(JSON.stringify({ ...chat, stream: true }))
    const [response] = await once(request, 'response')
    response.pause()
    const sent = (): number => provider.seen[0]?.sentBytes ?? 0
    let last = 0
    const stalled = (): boolean => {
      const still = sent() > 0 && sent() === last
      last = sent()
      return still
    }
    await expect.poll(stalled, { interval: 300, timeout: 15_000 }).toBe(true)
    // 125 MiB are on offer; what was taken fits into the kernel's buffers of two connections and a few chunks.
    expect(last).toBeLessThan(30 * 1024 * 1024)
    request.destroy()
    expect(await onlyEnd()).toMatchObject({ outcome: 'cancelled' })
  })
})

describe('many at once', () => {
  it('streams to 200 clients side by side, each its own answer, with every token recorded', async () => {
    provider.behaviour.wordMilliseconds = 20
    provider.behaviour.words = Array.from({ length: 20 }, (_, index) => ` ${index}`)
    const before = provider.reported.outputTokens
    const answers = await Promise.all(
      Array.from({ length: 200 }, () => openai.chat.completions.stream(chat).finalMessage()),
    )
    expect(new Set(answers.map((answer) => answer.content))).toEqual(
      new Set([provider.behaviour.words.join('')]),
    )
    const ends = (await allSettled()).map(({ end }) => end)
    expect(ends).toHaveLength(200)
    const recorded = ends.reduce((sum, end) => sum + (end.usage?.outputTokens ?? 0), 0)
    expect(recorded).toBe(provider.reported.outputTokens - before)
  })
})
