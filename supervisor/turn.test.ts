import { expect, test } from 'vitest'
import { createTurnReader } from './turn.ts'

const agent = (stream: string, data: object, runId = 'run') => ({
  event: 'agent',
  payload: { runId, stream, data },
})
const chat = (state: string, more: object = {}, runId = 'run') => ({
  event: 'chat',
  payload: { runId, state, ...more },
})

test('pieces of an answer are set apart, deltas of one piece are not', () => {
  const read = createTurnReader('run')
  const events = [
    agent('item', { kind: 'preamble', phase: 'update', progressText: 'Let me' }),
    agent('item', { kind: 'preamble', phase: 'end', progressText: 'Let me see.' }),
    agent('assistant', { delta: 'One ', itemId: 'a' }),
    agent('assistant', { delta: 'file.', itemId: 'a' }),
    agent('assistant', { delta: 'Done.', itemId: 'b' }),
  ].flatMap(read)
  expect(events.map((event) => event.type === 'text' && event.delta).join('')).toBe(
    'Let me see.\n\nOne file.\n\nDone.',
  )
})

test('a tool call is told when it starts and when it ends, with its input both times', () => {
  const read = createTurnReader('run')
  const events = [
    agent('tool', { phase: 'start', name: 'exec', toolCallId: 'c', args: { command: 'ls' } }),
    agent('tool', { phase: 'update', name: 'exec', toolCallId: 'c', partialResult: {} }),
    agent('tool', {
      phase: 'result',
      name: 'exec',
      toolCallId: 'c',
      isError: true,
      result: { content: [{ type: 'text', text: 'no' }] },
    }),
  ].flatMap(read)
  const call = { id: 'c', name: 'exec', input: '{"command":"ls"}' }
  expect(events).toEqual([
    { type: 'tool', tool: { ...call, output: null, failed: false } },
    { type: 'tool', tool: { ...call, output: 'no', failed: true } },
  ])
})

test('a command that answers without a model still gives its text', () => {
  const read = createTurnReader('run')
  const message = { content: [{ type: 'text', text: 'Status: fine' }] }
  expect(read(chat('final', { message }))).toEqual([
    { type: 'text', delta: 'Status: fine' },
    { type: 'done', stopped: false },
  ])
})

test('stopping and failing are told apart, and other runs are not ours', () => {
  const read = createTurnReader('run')
  expect(read(chat('aborted'))).toEqual([{ type: 'done', stopped: true }])
  expect(read(chat('error', { errorKind: 'billing', errorMessage: 'No credit.' }))).toEqual([
    { type: 'error', code: 'billing', message: 'No credit.' },
  ])
  const limited = (errorMessage: string) => read(chat('error', { errorKind: 'rate_limit', errorMessage }))
  expect(limited('⚠️ Usage limit reached: your Reef credits are used up.')).toEqual([
    {
      type: 'error',
      code: 'credits_exhausted',
      message: 'Usage limit reached: your Reef credits are used up.',
    },
  ])
  expect(limited('⚠️ Usage limit reached until it resets: The daily budget is spent.')).toEqual([
    {
      type: 'error',
      code: 'budget_exhausted',
      message: 'Usage limit reached until it resets: The daily budget is spent.',
    },
  ])
  expect(limited('⚠️ Slow down.')).toEqual([{ type: 'error', code: 'rate_limit', message: '⚠️ Slow down.' }])
  const errorDetail = { httpStatus: 402, providerErrorMessagePreview: 'Buy credits.' }
  expect(read(chat('error', { errorMessage: 'Check your API key.', errorDetail }))).toEqual([
    { type: 'error', code: 'credits_exhausted', message: 'Buy credits.' },
  ])
  expect(read(chat('final', {}, 'another'))).toEqual([])
  expect(read(agent('assistant', { delta: 'x' }, 'another'))).toEqual([])
  expect(read({ event: 'tick', payload: {} })).toEqual([])
})
