import { expect, test } from 'vitest'
import { ComputeError } from '../../domain/instances/compute.ts'
import { toComputeError } from './errors.ts'

const host = { name: 'b', url: 'https://10.0.0.5:2376' }
const answered = (statusCode: number, message: string) =>
  toComputeError(Object.assign(new Error('(HTTP code)'), { statusCode, json: { message } }), host)

test.each([
  [500, 'no space left on device', 'no_capacity'],
  [500, 'cannot allocate memory', 'no_capacity'],
  [404, 'could not find an available, non-overlapping IPv4 address pool', 'no_capacity'],
  [429, 'slow down', 'throttled'],
  [500, 'context deadline exceeded', 'unavailable'],
  [503, 'shutting down', 'unavailable'],
  [409, 'removal is already in progress', 'unavailable'],
  [400, 'invalid mount', 'rejected'],
  [404, 'no such image', 'rejected'],
  [403, 'denied', 'rejected'],
])('an engine that answers %d "%s" means %s', (status, message, reason) => {
  const error = answered(status, message)
  expect(error.reason).toBe(reason)
  expect(error.retryable).toBe(reason !== 'rejected')
  expect(error.message).toContain('Docker host b')
})

test('an engine that does not answer is tried again, and the message says where it was looked for', () => {
  for (const code of ['ECONNREFUSED', 'ENOENT', 'ECONNRESET', 'ETIMEDOUT']) {
    const error = toComputeError(Object.assign(new Error(code), { code }), host)
    expect(error).toMatchObject({ reason: 'unavailable', retryable: true })
    expect(error.message).toContain('https://10.0.0.5:2376')
  }
  expect(toComputeError(Object.assign(new Error(''), { code: 'EACCES' }), host).message).toContain(
    'may not be used by this user',
  )
})

test('what is in the vocabulary already stays as it is', () => {
  const error = new ComputeError('throttled', 'as said')
  expect(toComputeError(error, host)).toBe(error)
})
