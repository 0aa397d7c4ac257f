import { describe, expect, it } from 'vitest'
import { boundsOfRequest, withinBounds } from './bounds.ts'
import type { CatalogueModel } from './catalogue.ts'

const model: CatalogueModel = {
  id: 'openai/gpt-test',
  provider: 'openai',
  model: 'gpt-test',
  name: 'Test',
  contextTokensMax: 200_000,
  outputTokensMax: 16_000,
  reasoning: false,
  api: 'openai-completions',
}
const official: CatalogueModel = { ...model, api: 'openai-responses' }

const bounds = (body: Record<string, unknown>) =>
  boundsOfRequest(body, Buffer.byteLength(JSON.stringify(body)), model)
const picture = 'A'.repeat(500_000)

describe('how much a request can use', () => {
  it('is at most a token for every byte, and what it asks for as output', () => {
    const body = { messages: [{ role: 'user', content: 'x€' }], max_tokens: 50 }
    const bytes = Buffer.byteLength(JSON.stringify(body))
    expect(bounds(body)).toMatchObject({ inputTokensMax: bytes + 1000, outputTokensMax: 50, answers: 1 })
    expect(bounds({ messages: [] }).outputTokensMax).toBe(16_000)
    expect(bounds({ messages: [], max_completion_tokens: 70 }).outputTokensMax).toBe(70)
    expect(bounds({ input: 'x', max_output_tokens: 80, n: null }).outputTokensMax).toBe(80)
  })

  it('grows with the number of answers', () => {
    expect(bounds({ messages: [], n: 3, max_tokens: 100 })).toMatchObject({
      answers: 3,
      outputTokensMax: 300,
    })
    for (const n of [0, -1, 1.5, 1000, '2']) expect(() => bounds({ messages: [], n })).toThrow('"n"')
    for (const max_tokens of [0, -5, Number.POSITIVE_INFINITY, 'x', 2.5, Number.MAX_SAFE_INTEGER])
      expect(() => bounds({ messages: [], max_tokens })).toThrow('max_tokens')
  })

  it('counts pictures by number and not by bytes, in every protocol', () => {
    const contents = [
      {
        messages: [
          {
            role: 'user',
            content: [{ type: 'image_url', image_url: { url: `data:image/png;base64,${picture}` } }],
          },
        ],
      },
      {
        input: [
          { role: 'user', content: [{ type: 'input_image', image_url: `data:image/png;base64,${picture}` }] },
        ],
      },
      {
        input: [
          {
            type: 'function_call_output',
            call_id: 'x',
            output: [{ type: 'input_image', image_url: `data:image/png;base64,${picture}` }],
          },
        ],
      },
      {
        messages: [{ role: 'user', content: [{ type: 'image', source: { type: 'base64', data: picture } }] }],
      },
      {
        messages: [
          {
            role: 'user',
            content: [
              {
                type: 'tool_result',
                content: [{ type: 'image', source: { type: 'base64', data: picture } }],
              },
            ],
          },
        ],
      },
    ]
    for (const body of contents) {
      expect(bounds(body).inputTokensMax).toBeLessThan(12_000)
      expect(bounds(body).inputTokensMax).toBeGreaterThan(10_000)
    }
    const byAddress = {
      messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'https://x/y.png' } }] }],
    }
    expect(bounds(byAddress).inputTokensMax).toBeGreaterThan(10_000)
    // Text that calls itself a picture is still text.
    const disguised = {
      messages: [{ role: 'user', content: [{ type: 'image', source: { type: 'text', data: picture } }] }],
    }
    expect(bounds(disguised).inputTokensMax).toBeGreaterThan(500_000)
  })

  it('is all that the model can read where the input is not in the body', () => {
    for (const body of [
      { input: 'x', previous_response_id: 'resp_1' },
      { input: 'x', conversation: 'conv_1' },
      { input: [{ type: 'item_reference', id: 'x' }] },
      { input: [{ role: 'user', content: [{ type: 'input_file', file_id: 'file_1' }] }] },
      {
        messages: [
          { role: 'user', content: [{ type: 'document', source: { type: 'url', url: 'https://x' } }] },
        ],
      },
      { messages: [], input: [{ role: 'user', content: [{ type: 'input_file', file_id: 'file_1' }] }] },
    ])
      expect(bounds(body).inputTokensMax, JSON.stringify(body)).toBe(200_000)
    for (const body of [
      { messages: [], tools: [{ type: 'function', function: { name: 'x' } }] },
      {
        messages: [],
        tools: [
          { name: 'x', input_schema: {} },
          { type: 'bash_20250124', name: 'bash' },
        ],
      },
    ])
      expect(bounds(body).inputTokensMax, JSON.stringify(body)).toBeLessThan(2000)
  })
})

describe('what the provider is sent', () => {
  const within = (body: Record<string, unknown>, outputTokensMax: number, answers = 1) =>
    withinBounds(body, 'chat_completions', model, { answers, outputTokensMax })

  it('may write as much as was admitted, by the name that the server knows', () => {
    expect(within({ max_tokens: 500 }, 500)).toEqual({ max_tokens: 500 })
    expect(within({ max_tokens: 500 }, 300)).toEqual({ max_tokens: 300 })
    expect(within({ max_completion_tokens: 500 }, 300)).toEqual({ max_completion_tokens: 300 })
    expect(within({}, 300)).toEqual({ max_tokens: 300 })
    expect(within({ n: 3 }, 300, 3)).toEqual({ n: 3, max_tokens: 100 })
    const bounded = { answers: 1, outputTokensMax: 300 }
    expect(withinBounds({}, 'chat_completions', official, bounded)).toEqual({ max_completion_tokens: 300 })
    expect(withinBounds({}, 'responses', official, bounded)).toEqual({ max_output_tokens: 300 })
    expect(withinBounds({ max_tokens: 900 }, 'messages', official, bounded)).toEqual({ max_tokens: 300 })
  })

  it('thinks for less than it may write, when that was cut', () => {
    const thinking = { type: 'enabled', budget_tokens: 8000 }
    const send = (outputTokensMax: number) =>
      withinBounds({ max_tokens: 16_000, thinking }, 'messages', model, { answers: 1, outputTokensMax })
        .thinking
    expect(send(16_000)).toEqual(thinking)
    expect(send(10_000)).toEqual(thinking)
    expect(send(5000)).toEqual({ type: 'enabled', budget_tokens: 4000 })
    expect(send(1200)).toEqual({ type: 'disabled' })
  })

  it('costs what the list says: nothing dearer is asked for', () => {
    expect(within({ service_tier: 'priority', speed: 'fast', inference_geo: 'us', user: 'x' }, 5)).toEqual({
      user: 'x',
      max_tokens: 5,
    })
  })

  it('is cached for five minutes, which is what the list has a price for, and otherwise as it was', () => {
    const hour = { cache_control: { type: 'ephemeral', ttl: '1h' } }
    const usual = { cache_control: { type: 'ephemeral' } }
    const input = { cache_control: { ttl: 'the tool’s own' } }
    const bodyOf = (mark: object) => ({
      ...mark,
      max_tokens: 5,
      system: [{ type: 'text', text: 'x', ...mark }],
      tools: [{ name: 'x', ...mark }],
      messages: [
        { role: 'user', content: 'x' },
        {
          role: 'user',
          content: [
            { type: 'tool_result', content: [{ type: 'text', text: 'x', ...mark }] },
            { type: 'tool_use', input, ...mark },
          ],
        },
      ],
    })
    const admitted = { answers: 1, outputTokensMax: 5 }
    expect(withinBounds(bodyOf(hour), 'messages', model, admitted)).toEqual(bodyOf(usual))
    expect(withinBounds({ system: 'x', max_tokens: 5 }, 'messages', model, admitted)).toEqual({
      system: 'x',
      max_tokens: 5,
    })
  })
})
