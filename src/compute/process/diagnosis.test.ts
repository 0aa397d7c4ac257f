import { expect, test } from 'vitest'
import { diagnose } from './diagnosis.ts'

const killed = { code: null, signal: 'SIGKILL', machineRanOutOfMemory: false }

test.each([
  [
    'an end that was asked for is no failure',
    { stopRequested: true, exit: killed, logTail: 'heap out of memory' },
    'exited',
    undefined,
  ],
  [
    'an orderly end is no failure',
    { stopRequested: false, exit: { ...killed, code: 0, signal: null }, logTail: '' },
    'exited',
    undefined,
  ],
  ['a kill is a crash', { stopRequested: false, exit: killed, logTail: '' }, 'failed', 'crashed'],
  [
    'a kill when the machine ran out of memory is that',
    { stopRequested: false, exit: { ...killed, machineRanOutOfMemory: true }, logTail: '' },
    'failed',
    'out_of_memory',
  ],
  [
    'V8 out of memory is told by the log',
    {
      stopRequested: false,
      exit: { code: null, signal: 'SIGABRT', machineRanOutOfMemory: false },
      logTail: 'FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory',
    },
    'failed',
    'out_of_memory',
  ],
  [
    'exit code 78 is a configuration error',
    { stopRequested: false, exit: { ...killed, code: 78, signal: null }, logTail: '' },
    'failed',
    'configuration_invalid',
  ],
  [
    'an end that nobody saw is unknown',
    { stopRequested: false, exit: undefined, logTail: 'last words' },
    'exited',
    'unknown',
  ],
] as const)('%s', (_name, end, phase, code) => {
  const observation = diagnose(end)
  expect(observation.phase).toBe(phase)
  expect(observation.failure?.code).toBe(code)
})

test('the message quotes the end of the log, and not all of it', () => {
  const logTail = `${'x'.repeat(5_000)}\nfirst\nlast words\n`
  const message = diagnose({ stopRequested: false, exit: killed, logTail }).failure?.message ?? ''
  expect(message).toMatch(/SIGKILL[\s\S]*last words$/)
  expect(message.length).toBeLessThan(1_200)
})
