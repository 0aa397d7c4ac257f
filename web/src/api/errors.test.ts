import { expect, test } from 'vitest'
import { ApiError, errorFromResponse, fieldMessage, messageOf } from './errors.ts'

test('says what the server said, with its code and field', async () => {
  const body = {
    error: { code: 'invalid_input', message: 'password: needs at least 10 characters', field: 'password' },
  }
  const error = await errorFromResponse(Response.json(body, { status: 400 }))
  expect(error).toMatchObject({ status: 400, code: 'invalid_input', field: 'password' })
  expect(fieldMessage(error, 'password')).toBe('Needs at least 10 characters')
  expect(fieldMessage(error, 'email')).toBeUndefined()
})

test('makes sense of an answer that is not Reef’s', async () => {
  const error = await errorFromResponse(new Response('<html>Bad Gateway</html>', { status: 502 }))
  expect(error.code).toBe('unreadable')
  expect(messageOf(error)).toContain('502')
})

test('says how long to wait when there were too many attempts', () => {
  const error = new ApiError({
    status: 429,
    code: 'rate_limited',
    message: 'Too many attempts.',
    retryAfterSeconds: 300,
  })
  expect(messageOf(error)).toBe('Too many attempts. (in 5 min)')
})

test('shows nothing of the insides of an unforeseen error', () => {
  expect(messageOf(new TypeError('x is undefined'))).not.toContain('undefined')
})
