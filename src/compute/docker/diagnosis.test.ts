import { expect, test } from 'vitest'
import { type ContainerEnd, diagnose } from './diagnosis.ts'

const end: ContainerEnd = {
  exitCode: 1,
  outOfMemory: false,
  error: '',
  memoryMebibytes: 2048,
  stopRequested: false,
  logTail: '',
}
const codeOf = (change: Partial<ContainerEnd>) => diagnose({ ...end, ...change }).failure?.code

test('an end that was asked for, or that says all is well, is none to explain', () => {
  expect(diagnose({ ...end, exitCode: 137, outOfMemory: true, stopRequested: true })).toEqual({
    phase: 'exited',
  })
  expect(diagnose({ ...end, exitCode: 0 })).toEqual({ phase: 'exited' })
})

test('each end has its reason', () => {
  expect(codeOf({ exitCode: 137, outOfMemory: true })).toBe('out_of_memory')
  expect(codeOf({ exitCode: 78 })).toBe('configuration_invalid')
  expect(codeOf({ exitCode: 127, error: 'exec: "tini": not found' })).toBe('bad_image')
  expect(codeOf({ exitCode: 137 })).toBe('crashed')
  expect(codeOf({ exitCode: 7 })).toBe('crashed')
})

test('the message says the limit in words and ends with what was last written', () => {
  const message = diagnose({ ...end, exitCode: 137, outOfMemory: true, logTail: 'the last line\n' }).failure
    ?.message
  expect(message).toBe(
    'It used all of the 2.0 GB of memory that it may use. Last lines of its log:\nthe last line',
  )
})
