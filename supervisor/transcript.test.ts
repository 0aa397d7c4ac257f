import { expect, test } from 'vitest'
import { asText, historySchema, toMessages } from './transcript.ts'

const read = (history: object) => toMessages(historySchema.parse(history))
const user = (text: string, id = 'u') => ({ role: 'user', content: text, timestamp: 0, __openclaw: { id } })
const said = (text: string) => ({ role: 'assistant', content: [{ type: 'text', text }] })
const called = (id: string) => ({
  role: 'assistant',
  content: [{ type: 'toolCall', id, name: 'exec', arguments: { command: 'ls' } }],
})
const result = (toolCallId: string, text: string, isError = false) => ({
  role: 'toolResult',
  toolCallId,
  isError,
  content: [{ type: 'text', text }],
})

test('all that follows a question is one answer with its tool calls', () => {
  const messages = read({
    messages: [
      user('Look', 'u1'),
      said('Let me see. '),
      called('c1'),
      result('c1', 'a.txt'),
      said('One file.'),
      user('Thanks', 'u2'),
    ],
  })
  expect(messages).toMatchObject([
    { id: 'u1', role: 'user', text: 'Look', at: '1970-01-01T00:00:00.000Z' },
    {
      role: 'assistant',
      text: 'Let me see.\n\nOne file.',
      tools: [{ id: 'c1', name: 'exec', input: '{"command":"ls"}', output: 'a.txt', failed: false }],
    },
    { id: 'u2', role: 'user', text: 'Thanks' },
  ])
})

test('a tool that failed is marked, and one that nobody answered ends as stopped once the turn is over', () => {
  const messages = [user('Look'), called('c1'), result('c1', 'boom', true), called('c2')]
  expect(read({ messages })[1]?.tools).toMatchObject([
    { output: 'boom', failed: true },
    { output: 'Stopped before it answered.', failed: true },
  ])
  const running = { messages, inFlightRun: { runId: 'r', text: '' } }
  expect(read(running)[1]?.tools[1]).toMatchObject({ output: null, failed: false })
})

test('a turn that runs shows the text so far, once', () => {
  const running = { messages: [user('Count')], inFlightRun: { runId: 'r', text: 'one two' } }
  expect(read(running)[1]).toMatchObject({ id: 'r', role: 'assistant', text: 'one two' })
  const stored = { ...running, messages: [user('Count'), said('one two')] }
  expect(read(stored)[1]?.text).toBe('one two')
})

test('entries of kinds that are not known are left out', () => {
  expect(
    read({ messages: [{ role: 'system', content: 'x' }, 7, { nothing: true }, user('Hi')] }),
  ).toHaveLength(1)
})

test('what a tool was given is cut when it is very long', () => {
  expect(asText('x'.repeat(30_000)).length).toBe(20_001)
  expect(asText({ a: 1 })).toBe('{"a":1}')
})
