import { json } from 'node:stream/consumers'
import Anthropic from '@anthropic-ai/sdk'
import OpenAI from 'openai'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createMemoryMeter, startTestGateway, type TestGateway } from '../../test/support/model-gateway.ts'
import { testSecret } from '../../test/support/secret.ts'
import { sendUnfinished, type Unfinished } from '../../test/support/unfinished.ts'
import { newId } from '../ids.ts'
import { openRootSecret } from '../secrets.ts'
import { modelKeys } from '../slot-key.ts'

const meter = createMemoryMeter()
let gateway: TestGateway
let openai: OpenAI
let anthropic: Anthropic

beforeAll(async () => {
  gateway = await startTestGateway({ meter })
  openai = new OpenAI({ baseURL: `${gateway.url}/models/v1`, apiKey: gateway.key, maxRetries: 0 })
  anthropic = new Anthropic({
    baseURL: `${gateway.url}/models/anthropic`,
    apiKey: gateway.key,
    maxRetries: 0,
  })
})
afterAll(() => gateway.close())
beforeEach(() => {
  meter.calls.length = 0
})

const exec = {
  name: 'exec',
  description: 'Run a command.',
  parameters: {
    type: 'object',
    required: ['command'],
    properties: { command: { type: 'string' } },
  } as Record<string, unknown>,
}

/** The settled end of the only call, once it is there. */
async function settled() {
  await expect.poll(() => meter.calls.length === 1 && meter.calls[0]?.end).toBeTruthy()
  return meter.calls[0] as {
    call: (typeof meter.calls)[0]['call']
    end: NonNullable<(typeof meter.calls)[0]['end']>
  }
}

describe('the model gateway with the demo model', () => {
  it('lists its models to the official OpenAI client', async () => {
    const { data } = await openai.models.list()
    expect(data.map((model) => model.id)).toEqual(['demo/reef-demo'])
    expect((await openai.models.retrieve('demo/reef-demo')).owned_by).toBe('demo')
  })

  it('answers a chat completion, also by the bare name of the model, and records its usage', async () => {
    const completion = await openai.chat.completions.create({
      model: 'reef-demo',
      messages: [{ role: 'user', content: 'what is 6 * 7' }],
    })
    expect(completion.choices[0]?.message.content).toContain('6 * 7 = 42')
    const { call, end } = await settled()
    expect(call).toMatchObject({
      provider: 'demo',
      model: 'reef-demo',
      protocol: 'chat_completions',
      streamed: false,
    })
    expect(end).toMatchObject({
      outcome: 'succeeded',
      httpStatus: 200,
      usage: {
        inputTokens: completion.usage?.prompt_tokens,
        outputTokens: completion.usage?.completion_tokens,
      },
    })
  })

  it('streams a chat completion word by word, and tells the usage only to who asks for it', async () => {
    const request = {
      model: 'demo/reef-demo',
      messages: [{ role: 'user', content: 'hello' }],
      stream: true,
    } as const
    const words: string[] = []
    let reported: unknown
    for await (const chunk of await openai.chat.completions.create({
      ...request,
      messages: [...request.messages],
    })) {
      words.push(chunk.choices[0]?.delta.content ?? '')
      reported ??= chunk.usage
      expect(chunk.choices).toHaveLength(1)
    }
    expect(words.length).toBeGreaterThan(10)
    expect(words.join('')).toMatch(/^Hello! I am the assistant/)
    expect(reported ?? null).toBeNull()
    const { end } = await settled()
    expect(end.usage?.outputTokens).toBe(Math.ceil(words.join('').length / 4))

    const asking = await openai.chat.completions.create({
      ...request,
      messages: [...request.messages],
      stream_options: { include_usage: true },
    })
    for await (const chunk of asking) reported ??= chunk.usage
    expect(reported).toMatchObject({ completion_tokens: end.usage?.outputTokens })
  })

  it('uses a tool and answers with its result, in chat completions', async () => {
    const runner = openai.chat.completions.runTools({
      model: 'demo/reef-demo',
      stream: true,
      messages: [{ role: 'user', content: 'run ls' }],
      tools: [
        {
          type: 'function',
          function: {
            ...exec,
            parse: (input: string) => JSON.parse(input) as { command: string },
            function: (input: { command: string }) => `ran ${input.command}`,
          },
        },
      ],
    })
    expect(await runner.finalContent()).toContain('ran ls')
  })

  it('uses a tool and answers with its result, in responses', async () => {
    const tools = [{ type: 'function' as const, strict: false, ...exec }]
    const asked = await openai.responses
      .stream({ model: 'demo/reef-demo', input: [{ role: 'user', content: 'run ls' }], tools })
      .finalResponse()
    const call = asked.output[0]
    if (call?.type !== 'function_call') throw new Error('no function call')
    expect(JSON.parse(call.arguments)).toEqual({ command: 'ls' })
    const answered = await openai.responses.create({
      model: 'demo/reef-demo',
      input: [
        { role: 'user', content: 'run ls' },
        { type: 'function_call', call_id: call.call_id, name: call.name, arguments: call.arguments },
        { type: 'function_call_output', call_id: call.call_id, output: 'a.txt' },
      ],
      tools,
    })
    expect(answered.output_text).toContain('I ran `ls`. It printed:\n\n```\na.txt')
    await expect.poll(() => meter.calls.every(({ end }) => end)).toBe(true)
    expect(meter.calls[0]?.end?.usage).toMatchObject({ inputTokens: asked.usage?.input_tokens })
    expect(meter.calls[1]?.end?.usage).toMatchObject({ outputTokens: answered.usage?.output_tokens })
  })

  it('uses a tool and answers with its result, in messages', async () => {
    const tools = [{ name: 'exec', input_schema: { type: 'object' as const, properties: { command: {} } } }]
    const asked = await anthropic.messages
      .stream({
        model: 'demo/reef-demo',
        max_tokens: 1000,
        messages: [{ role: 'user', content: 'run ls' }],
        tools,
      })
      .finalMessage()
    const use = asked.content[0]
    if (use?.type !== 'tool_use') throw new Error('no tool use')
    expect(use.input).toEqual({ command: 'ls' })
    expect(asked.stop_reason).toBe('tool_use')
    const answered = await anthropic.messages.create({
      model: 'demo/reef-demo',
      max_tokens: 1000,
      messages: [
        { role: 'user', content: 'run ls' },
        { role: 'assistant', content: asked.content },
        { role: 'user', content: [{ type: 'tool_result', tool_use_id: use.id, content: 'a.txt' }] },
      ],
      tools,
    })
    expect(answered.content[0]).toMatchObject({ type: 'text', text: expect.stringContaining('a.txt') })
    await expect.poll(() => meter.calls.every(({ end }) => end)).toBe(true)
    expect(meter.calls[0]?.end?.usage).toMatchObject({ inputTokens: asked.usage.input_tokens })
    expect(meter.calls[1]?.end?.usage).toMatchObject({ outputTokens: answered.usage.output_tokens })
  })

  it('refuses as a provider would when the demo model is told to', async () => {
    const failing = openai.chat.completions.create({
      model: 'demo/reef-demo',
      messages: [{ role: 'user', content: '/demo error 429' }],
    })
    await expect(failing).rejects.toBeInstanceOf(OpenAI.RateLimitError)
    expect((await settled()).end).toMatchObject({ outcome: 'failed', httpStatus: 429, errorCode: 'demo_429' })
  })
})

async function post(path: string, body: string, headers: Record<string, string> = {}) {
  const response = await fetch(gateway.url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${gateway.key}`, ...headers },
    body,
  })
  return { status: response.status, body: (await response.json()) as { error: Record<string, string> } }
}

const hello = JSON.stringify({ model: 'demo/reef-demo', messages: [{ role: 'user', content: 'hello' }] })

describe('a control plane that stops', () => {
  it('lets short answers end, ends long ones with an error, and settles all of them', async () => {
    const ending = createMemoryMeter()
    const stopping = await startTestGateway({ meter: ending, demoWordMilliseconds: 20, drainSeconds: 1 })
    const client = new OpenAI({ baseURL: `${stopping.url}/models/v1`, apiKey: stopping.key, maxRetries: 0 })
    const ask = async (content: string): Promise<string> => {
      const request = { model: 'demo/reef-demo', messages: [{ role: 'user' as const, content }] }
      let text = ''
      for await (const chunk of await client.chat.completions.create({ ...request, stream: true }))
        text += chunk.choices[0]?.delta.content ?? ''
      return text
    }
    const answers = Promise.allSettled([ask('/demo words 10'), ask('/demo words 10000')])
    await expect.poll(() => ending.calls.length).toBe(2)
    await stopping.close()
    const [short, long] = await answers
    expect(short.status).toBe('fulfilled')
    expect(long).toMatchObject({
      status: 'rejected',
      reason: { message: expect.stringContaining('Reef had to end') },
    })
    expect(ending.calls.map(({ end }) => end?.outcome)).toEqual(['succeeded', 'cancelled'])
    expect(ending.calls[1]?.end?.errorCode).toBe('control_plane_stopped')
  })
})

describe('who may call the model gateway', () => {
  it('takes the key as x-api-key too', async () => {
    const { status } = await post('/models/v1/chat/completions', hello, {
      authorization: '',
      'x-api-key': gateway.key,
    })
    expect(status).toBe(200)
  })

  it('refuses every key that is not that of a live slot, alike and before reading the body', async () => {
    const slotId = newId()
    const foreign = openRootSecret(Buffer.alloc(32, 1))
    const [prefix, owner] = [gateway.key.slice(0, 4), gateway.key.slice(4, 40)]
    const keys = [
      '',
      'x',
      `oc_${'a'.repeat(43)}`,
      'eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.',
      // Genuine, but the slot is not there (any more).
      modelKeys.of(testSecret, slotId),
      // Of another Reef.
      modelKeys.of(foreign, owner),
      `${gateway.key}x`,
      gateway.key.slice(0, -1),
      gateway.key.toUpperCase(),
      `${prefix}${slotId}${gateway.key.slice(40)}`,
      `rmk_${owner}_`,
    ]
    const answers = await Promise.all(
      keys.map((key) => post('/models/v1/chat/completions', '{not json', { authorization: `Bearer ${key}` })),
    )
    for (const [index, answer] of answers.entries()) {
      expect(answer.status, keys[index]).toBe(401)
      expect(answer.body).toEqual(answers[0]?.body)
    }
    expect(answers[0]?.body.error).toMatchObject({ code: 'invalid_api_key', type: 'invalid_request_error' })
    const messages = await post('/models/anthropic/v1/messages', hello, { authorization: 'Bearer x' })
    expect(messages.body).toMatchObject({ type: 'error', error: { type: 'authentication_error' } })
    expect((await fetch(`${gateway.url}/models/v1/models`)).status).toBe(401)
    expect(meter.calls).toHaveLength(0)
  })

  it('forgets a slot as soon as it is gone', async () => {
    const slotId = newId()
    const key = gateway.addSlot({ slotId })
    const headers = { authorization: `Bearer ${key}` }
    expect((await post('/models/v1/chat/completions', hello, headers)).status).toBe(200)
    gateway.callers.delete(slotId)
    expect((await post('/models/v1/chat/completions', hello, headers)).status).toBe(401)
  })
})

describe('bodies that do not arrive at the model gateway', () => {
  const mebibyte = 1024 * 1024
  const begun: Unfinished[] = []
  afterEach(() => {
    for (const { request } of begun.splice(0)) request.destroy()
  })
  const begin = async (key: string, bytes: number, path = '/models/v1/chat/completions') => {
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' }
    const unfinished = await sendUnfinished(gateway.url + path, { method: 'POST', headers, bytes })
    begun.push(unfinished)
    return unfinished
  }
  const statusOf = async (key: string) =>
    (await post('/models/v1/chat/completions', hello, { authorization: `Bearer ${key}` })).status
  /** Of those that were begun, the first that was refused: until then all others were counted. */
  const refused = () => Promise.race(begun.map(({ answer }) => answer))

  it('are few of a slot at a time; more are refused in the client’s shape without being read', async () => {
    const key = gateway.addSlot({})
    for (let count = 0; count < 17; count++) await begin(key, 100)
    const chat = await refused()
    expect([chat.statusCode, chat.headers['retry-after']]).toEqual([429, '1'])
    expect(await json(chat)).toMatchObject({ error: { type: 'rate_limit_error', code: 'too_many_bodies' } })
    const messages = await (await begin(key, 100, '/models/anthropic/v1/messages')).answer
    expect(messages.statusCode).toBe(429)
    expect(await json(messages)).toMatchObject({ type: 'error', error: { type: 'rate_limit_error' } })
    // What has no body is answered, and so is every other slot.
    const listed = await fetch(`${gateway.url}/models/v1/models`, {
      headers: { authorization: `Bearer ${key}` },
    })
    expect(listed.status).toBe(200)
    expect(await statusOf(gateway.addSlot({}))).toBe(200)
  })

  it('count by what they say they hold, and no more once they have arrived or broken off', async () => {
    const key = gateway.addSlot({})
    for (let count = 0; count < 4; count++) await begin(key, 31 * mebibyte)
    expect((await refused()).statusCode).toBe(429)
    expect(await statusOf(gateway.addSlot({}))).toBe(200)
    for (const { request } of begun.splice(0)) request.destroy()
    await expect.poll(() => statusOf(key)).toBe(200)
    for (let count = 0; count < 17; count++) await begin(key, hello.length)
    expect((await refused()).statusCode).toBe(429)
    for (const { request } of begun) request.end(hello.slice(1))
    const statuses = await Promise.all(begun.map(async ({ answer }) => (await answer).statusCode))
    expect(statuses.sort()).toEqual([...Array(16).fill(200), 429])
    expect(await statusOf(key)).toBe(200)
  })
})

describe('bad requests to the model gateway', () => {
  const path = '/models/v1/chat/completions'

  it('answers malformed JSON and other bodies that it cannot use with 400 in the client’s shape', async () => {
    for (const body of ['{', '[]', '"x"', 'null', '', '{"messages":[]}', '{"model":7}', '{"model":""}']) {
      const answer = await post(path, body)
      expect(answer.status, body).toBe(400)
      expect(answer.body.error.type).toBe('invalid_request_error')
    }
    const messages = await post('/models/anthropic/v1/messages', '{')
    expect(messages).toMatchObject({
      status: 400,
      body: { type: 'error', error: { type: 'invalid_request_error' } },
    })
    expect((await post('/models/v1/responses', '{"model":"reef-demo","background":true}')).status).toBe(400)
    expect(meter.calls).toHaveLength(0)
  })

  it('names the models that there are when asked for another', async () => {
    const answer = await post(path, JSON.stringify({ model: 'openai/gpt-6-sol', messages: [] }))
    expect(answer.status).toBe(404)
    expect(answer.body.error).toMatchObject({
      code: 'model_not_found',
      message: expect.stringContaining('demo/reef-demo'),
    })
    const missing = openai.models.retrieve('nothing')
    await expect(missing).rejects.toBeInstanceOf(OpenAI.NotFoundError)
  })

  it('takes bodies of up to 32 MiB and refuses larger ones', async () => {
    const body = (bytes: number) =>
      JSON.stringify({ model: 'reef-demo', messages: [{ role: 'user', content: 'x'.repeat(bytes) }] })
    expect((await post(path, body(31 * 1024 * 1024))).status).toBe(200)
    expect((await post(path, body(33 * 1024 * 1024))).status).toBe(413)
  })

  it('passes on what it does not know, whatever it is called', async () => {
    const body =
      '{"model":"reef-demo","messages":[{"role":"user","content":"hello"}],"__proto__":{"x":1},"new_field":1}'
    expect((await post(path, body)).status).toBe(200)
  })

  it('refuses with 402 in the client’s shape when the meter refuses, without calling anybody', async () => {
    meter.refusal = 'The credits are used up. Buy more in the dashboard.'
    try {
      const chat = await post(path, hello)
      expect(chat.status).toBe(402)
      expect(chat.body.error).toMatchObject({
        code: 'credits_exhausted',
        type: 'insufficient_quota',
        message: meter.refusal,
      })
      const messages = await post('/models/anthropic/v1/messages', hello)
      expect(messages).toMatchObject({
        status: 402,
        body: { error: { type: 'billing_error', message: meter.refusal } },
      })
    } finally {
      meter.refusal = null
    }
  })
})
