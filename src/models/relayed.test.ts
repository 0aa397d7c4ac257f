import { expect, it } from 'vitest'
import { countRelayed } from './relayed.ts'

const event = (value: object): string => `data: ${JSON.stringify(value)}\n\n`

function tokensOf(...events: object[]): number {
  const relayed = countRelayed()
  for (const one of events) relayed.add(event(one))
  return relayed.tokens()
}

it('counts what models write, in every protocol, at four characters a token', () => {
  const eight = 'a "word"'
  expect(tokensOf({ choices: [{ delta: { content: 'eight ch' } }] })).toBe(2)
  expect(tokensOf({ choices: [{ delta: { reasoning_content: 'eight ch' } }] })).toBe(2)
  expect(tokensOf({ choices: [{ delta: { tool_calls: [{ function: { arguments: 'eight ch' } }] } }] })).toBe(
    2,
  )
  expect(tokensOf({ type: 'response.output_text.delta', delta: 'eight ch' })).toBe(2)
  expect(tokensOf({ type: 'content_block_delta', delta: { type: 'text_delta', text: 'eight ch' } })).toBe(2)
  expect(
    tokensOf({ type: 'content_block_delta', delta: { type: 'thinking_delta', thinking: 'eight ch' } }),
  ).toBe(2)
  expect(
    tokensOf({ type: 'content_block_delta', delta: { type: 'input_json_delta', partial_json: 'eight ch' } }),
  ).toBe(2)
  // An escaped quotation mark does not end a piece.
  expect(tokensOf({ choices: [{ delta: { content: eight } }] })).toBeGreaterThanOrEqual(2)
})

it('counts the tool’s input beside an empty text, and nothing that is said under two names twice', () => {
  const call = { function: { arguments: 'eight ch' } }
  expect(tokensOf({ choices: [{ delta: { role: 'assistant', content: '', tool_calls: [call] } }] })).toBe(2)
  expect(tokensOf({ choices: [{ delta: { reasoning: 'eight ch', reasoning_content: 'eight ch' } }] })).toBe(2)
})

it('takes a Chinese character for a token, and a Cyrillic one for most of one', () => {
  expect(tokensOf({ choices: [{ delta: { content: '你好世界你好' } }] })).toBe(6)
  expect(tokensOf({ choices: [{ delta: { content: 'привет' } }] })).toBe(4)
  expect(tokensOf({ choices: [{ delta: { content: '好 and four' } }] })).toBe(4)
})

it('counts nothing twice, and nothing that nobody wrote', () => {
  expect(
    tokensOf(
      { type: 'response.output_text.delta', delta: 'eight ch' },
      { type: 'response.output_text.done', text: 'eight ch' },
      { type: 'response.content_part.done', part: { text: 'eight ch' } },
      { type: 'response.completed', response: { output: [{ content: [{ text: 'eight ch' }] }] } },
    ),
  ).toBe(2)
  expect(tokensOf({ type: 'ping' }, { choices: [{ delta: { role: 'assistant', content: '' } }] })).toBe(0)
})
