import { describe, expect, it } from 'vitest'
import type { ModelProtocol } from '../domain/usage/meter.ts'
import { assertMeterable } from './meterable.ts'

const check = (body: Record<string, unknown>, protocol: ModelProtocol = 'responses') =>
  assertMeterable(body, protocol)

describe('what cannot be metered', () => {
  it('is refused with the name of the tool that a provider would run', () => {
    for (const type of [
      'web_search',
      'web_search_20250305',
      'web_search_preview',
      'web_fetch_20250910',
      'code_interpreter',
      'image_generation',
      'code_execution_20250825',
      'file_search',
      // Reads everything again after each use, as often as the server that it names likes.
      'mcp',
    ])
      expect(() => check({ tools: [{ type }] })).toThrow(type)
    expect(() => check({ messages: [], mcp_servers: [{ url: 'https://x' }] }, 'messages')).toThrow('mcp')
    expect(() => check({ messages: [], web_search_options: {} }, 'chat_completions')).toThrow('web_search')
    for (const tool of [
      { type: 'function', name: 'web_search' },
      { name: 'x', input_schema: {} },
      { type: 'bash_20250124', name: 'bash' },
      { type: 'custom', name: 'x' },
    ])
      expect(() => check({ tools: [tool] })).not.toThrow()
  })

  it('is an answer that comes later, or one whose usage nobody would ask for', () => {
    expect(() => check({ background: true })).toThrow('background')
    for (const stream of ['true', 1, {}]) expect(() => check({ stream })).toThrow('stream')
    for (const stream of [true, false, null]) expect(() => check({ stream })).not.toThrow()
  })

  it('is an answer that is limited by a name which its server does not know', () => {
    for (const [protocol, name, own] of [
      ['chat_completions', 'max_output_tokens', 'max_completion_tokens'],
      ['responses', 'max_tokens', 'max_output_tokens'],
      ['responses', 'max_completion_tokens', 'max_output_tokens'],
      ['messages', 'max_completion_tokens', 'max_tokens'],
      ['messages', 'max_output_tokens', 'max_tokens'],
    ] as const) {
      expect(() => check({ [name]: 1, [own]: 1 }, protocol)).toThrow(`"${name}" limits nothing here`)
      expect(() => check({ [name]: null, [own]: 1 }, protocol)).not.toThrow()
    }
    expect(() => check({ max_tokens: 1, max_completion_tokens: 1 }, 'chat_completions')).not.toThrow()
  })
})
