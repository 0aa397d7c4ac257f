import { afterEach, describe, expect, it } from 'vitest'
import { createTestAccounts, type TestAccounts, testPassword } from '../../test/support/accounts.ts'
import { openDatabase } from '../db/database.ts'
import { createRateLimits, standardRateLimits } from './rate-limit.ts'

describe('rate limits', () => {
  let test: TestAccounts
  afterEach(() => test.close())

  const post = (path: string, payload: object, remoteAddress = '192.0.2.1') =>
    test.app.inject({ method: 'POST', url: `/api/auth/${path}`, payload, remoteAddress })
  const statuses = async (count: number, attempt: (index: number) => ReturnType<typeof post>) => {
    const answers = []
    for (let i = 0; i < count; i++) answers.push((await attempt(i)).statusCode)
    return answers
  }

  it('stop guessing at one address, with Retry-After, whatever e-mail is tried', async () => {
    test = await createTestAccounts({ rateLimits: { logInPerAddress: { attemptsMax: 3, seconds: 60 } } })
    const guess = (index: number) => post('log-in', { email: `guess-${index}@example.com`, password: 'x' })
    expect(await statuses(4, guess)).toEqual([401, 401, 401, 429])
    const refused = await guess(5)
    expect(refused.json().error.code).toBe('rate_limited')
    const retryAfter = Number(refused.headers['retry-after'])
    expect(retryAfter).toBeGreaterThan(0)
    expect(retryAfter).toBeLessThanOrEqual(60)
    const elsewhere = await post('log-in', { email: 'a@example.com', password: 'x' }, '192.0.2.2')
    expect(elsewhere.statusCode).toBe(401)
  })

  it('stop guessing at one e-mail from many addresses, even with the right password then', async () => {
    test = await createTestAccounts({ rateLimits: { logInPerEmail: { attemptsMax: 3, seconds: 60 } } })
    const { user } = await test.person()
    const guess = (index: number) =>
      post('log-in', { email: user.email.toUpperCase(), password: 'x' }, `192.0.2.${index}`)
    expect(await statuses(4, guess)).toEqual([401, 401, 401, 429])
    expect((await post('log-in', { email: user.email, password: testPassword })).statusCode).toBe(429)
  })

  it('do not count against whoever knows the password', async () => {
    test = await createTestAccounts({ rateLimits: { logInPerEmail: { attemptsMax: 2, seconds: 60 } } })
    const { user } = await test.person()
    const logIn = () => post('log-in', { email: user.email, password: testPassword })
    expect(await statuses(5, logIn)).toEqual([200, 200, 200, 200, 200])
  })

  it('stop making accounts from one address, and count an IPv6 network as one', async () => {
    test = await createTestAccounts({ rateLimits: { signUpPerAddress: { attemptsMax: 2, seconds: 60 } } })
    const signUp = (index: number) =>
      post(
        'sign-up',
        { email: `v6-${index}@example.com`, password: testPassword, name: 'Six' },
        ['2001:db8::1', '2001:0db8:0:0::2', '2001:db8:0:0:ffff::3', '2001:db8:0:1::1'][index],
      )
    expect(await statuses(4, signUp)).toEqual([201, 201, 429, 201])
  })

  it('count in common for all control planes and let no simultaneous attempt slip through', async () => {
    test = await createTestAccounts()
    const limits = { ...standardRateLimits, signUpPerAddress: { attemptsMax: 5, seconds: 60 } }
    const second = openDatabase({ url: test.database.loginUrl })
    try {
      const planes = [test.database, second].map((database) => createRateLimits({ database, limits }))
      const attempts = Array.from({ length: 20 }, (_, index) =>
        planes[index % 2]?.signUpAttempt('198.51.100.1'),
      )
      const results = await Promise.allSettled(attempts)
      expect(results.filter((result) => result.status === 'fulfilled')).toHaveLength(5)
      for (const result of results)
        if (result.status === 'rejected') expect(result.reason).toMatchObject({ kind: 'rateLimited' })
    } finally {
      await second.close()
    }
  })
})
