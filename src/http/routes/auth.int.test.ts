import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTestAccounts, type TestAccounts, testPassword } from '../../../test/support/accounts.ts'
import { eventually } from '../../../test/support/eventually.ts'

describe('sign-up, log-in, refresh and log-out', () => {
  let test: TestAccounts
  beforeAll(async () => {
    test = await createTestAccounts()
  })
  afterAll(() => test.close())

  const post = (
    path: string,
    payload?: object | string,
    headers: Record<string, string> = {},
    cookies: Record<string, string> = {},
  ) =>
    test.app.inject({
      method: 'POST',
      url: `/api/auth/${path}`,
      ...(payload === undefined ? {} : { payload }),
      headers: typeof payload === 'string' ? { 'content-type': 'application/json', ...headers } : headers,
      cookies,
    })
  const cookieOf = (response: { cookies: { name: string }[] }) =>
    response.cookies.find((cookie) => cookie.name === 'reef_refresh') as unknown as {
      value: string
      path: string
      httpOnly: boolean
      sameSite: string
      maxAge: number
      secure?: boolean
    }
  const organizations = (accessToken: string) =>
    test.app.inject({ url: '/api/orgs', headers: { authorization: `Bearer ${accessToken}` } })

  it('makes a person with a personal organization that they own', async () => {
    const response = await post('sign-up', {
      email: 'Ada@Example.com',
      password: testPassword,
      name: 'Ada Lovelace',
    })
    expect(response.statusCode).toBe(201)
    const body = response.json()
    expect(body).toMatchObject({
      expiresInSeconds: 3600,
      user: { email: 'ada@example.com', name: 'Ada Lovelace' },
    })
    expect((await organizations(body.accessToken)).json()).toMatchObject({
      organizations: [{ name: 'Ada Lovelace', slug: 'ada-lovelace', personal: true, role: 'owner' }],
    })
  })

  it('answers the same attempt to refresh again, whose answer a reloaded page never saw', async () => {
    const { refreshToken } = await test.person()
    const refresh = (cookie: string, attempt: string) =>
      post('refresh', { attempt }, {}, { reef_refresh: cookie })
    const lost = await refresh(refreshToken, 'the attempt of a page')
    const again = await refresh(refreshToken, 'the attempt of a page')
    expect(again.statusCode).toBe(200)
    expect(cookieOf(again).value).toBe(cookieOf(lost).value)
    const stolen = await refresh(refreshToken, 'the attempt of a thief')
    expect([stolen.statusCode, stolen.json().error.code]).toEqual([401, 'refresh_token_reused'])
    expect((await refresh(cookieOf(again).value, 'the next attempt')).statusCode).toBe(401)
  })

  it('gives two people of one name two slugs', async () => {
    const slugs = await Promise.all(
      [1, 2].map(async (number) => {
        const response = await post('sign-up', {
          email: `twin-${number}@example.com`,
          password: testPassword,
          name: 'Twin',
        })
        return (await organizations(response.json().accessToken)).json().organizations[0].slug as string
      }),
    )
    expect(new Set(slugs).size).toBe(2)
    for (const slug of slugs) expect(slug).toMatch(/^twin(-[0-9a-z]{6})?$/)
  })

  it('says so when the e-mail address has an account', async () => {
    const body = { email: 'taken@example.com', password: testPassword, name: 'First' }
    await post('sign-up', body)
    const response = await post('sign-up', { ...body, email: 'TAKEN@example.com' })
    expect(response.statusCode).toBe(409)
    expect(response.json().error.code).toBe('email_taken')
  })

  it('gives one answer to a wrong password and to an unknown address', async () => {
    await post('sign-up', { email: 'known@example.com', password: testPassword, name: 'Known' })
    const wrong = await post('log-in', { email: 'known@example.com', password: 'not the password' })
    const unknown = await post('log-in', { email: 'unknown@example.com', password: testPassword })
    expect(wrong.statusCode).toBe(401)
    expect(unknown.statusCode).toBe(401)
    expect(unknown.body).toBe(wrong.body)
  })

  it('keeps the refresh token in a cookie that no script reads and no other site sends', async () => {
    const person = await test.person()
    const response = await post('log-in', { email: person.user.email, password: testPassword })
    const cookie = cookieOf(response)
    expect(cookie).toMatchObject({
      value: response.json().refreshToken,
      path: '/api/auth',
      httpOnly: true,
      sameSite: 'Strict',
      maxAge: 30 * 24 * 3600,
    })
    expect(cookie.secure).toBeUndefined()
    const secure = await createTestAccounts({ publicUrl: 'https://reef.example' })
    try {
      await secure.person()
      const answer = await secure.app.inject({
        method: 'POST',
        url: '/api/auth/log-in',
        payload: { email: 'person-1@example.com', password: testPassword },
      })
      expect(cookieOf(answer).secure).toBe(true)
    } finally {
      await secure.close()
    }
  })

  it('refreshes from the cookie and from the body, each token once', async () => {
    const person = await test.person()
    const fromBody = await post('refresh', { refreshToken: person.refreshToken })
    expect(fromBody.statusCode).toBe(200)
    expect(fromBody.json().user).toEqual(person.user)
    const fromCookie = await post('refresh', undefined, {}, { reef_refresh: fromBody.json().refreshToken })
    expect(fromCookie.statusCode).toBe(200)
    expect(cookieOf(fromCookie).value).toBe(fromCookie.json().refreshToken)
    expect((await organizations(fromCookie.json().accessToken)).statusCode).toBe(200)
  })

  it('leaves the cookie alone when the database went away meanwhile, so that the next refresh succeeds', async () => {
    const { refreshToken } = await test.person()
    const refresh = () => post('refresh', undefined, {}, { reef_refresh: refreshToken })
    const admin = new pg.Client({ connectionString: test.database.adminUrl })
    await admin.connect()
    try {
      await admin.query('begin; lock table refresh_tokens in access exclusive mode')
      const cut = refresh()
      await eventually(async () => {
        await admin.query('select pg_stat_clear_snapshot()')
        const { rowCount } = await admin.query(
          "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'",
        )
        expect(rowCount).toBeGreaterThan(0)
      })
      const answer = await cut
      expect([answer.statusCode, answer.cookies]).toEqual([503, []])
    } finally {
      await admin.end()
    }
    expect((await refresh()).statusCode).toBe(200)
  })

  it('ends the whole log-in when a refresh token is used again, its access tokens within a second', async () => {
    const person = await test.person()
    const next = (await post('refresh', { refreshToken: person.refreshToken })).json()
    expect((await organizations(next.accessToken)).statusCode).toBe(200)
    const reuse = await post('refresh', {}, {}, { reef_refresh: person.refreshToken })
    expect(reuse.statusCode).toBe(401)
    expect(reuse.json().error.code).toBe('refresh_token_reused')
    expect(cookieOf(reuse)).toMatchObject({ value: '', path: '/api/auth' })
    expect((await post('refresh', { refreshToken: next.refreshToken })).statusCode).toBe(401)
    test.clock.advance(1000)
    for (const token of [person.accessToken, next.accessToken]) {
      const response = await organizations(token)
      expect(response.statusCode).toBe(401)
      expect(response.json().error.code).toBe('log_in_revoked')
    }
  })

  it('lets exactly one of several simultaneous refreshes win and then ends the log-in', async () => {
    const person = await test.person()
    const answers = await Promise.all(
      Array.from({ length: 6 }, () => post('refresh', { refreshToken: person.refreshToken })),
    )
    const won = answers.filter((answer) => answer.statusCode === 200)
    expect(won).toHaveLength(1)
    expect(answers.filter((answer) => answer.statusCode === 401)).toHaveLength(5)
    const winner = won[0]?.json()
    expect((await post('refresh', { refreshToken: winner.refreshToken })).statusCode).toBe(401)
    test.clock.advance(1000)
    expect((await organizations(winner.accessToken)).statusCode).toBe(401)
  })

  it('leaves other log-ins of the same person alone', async () => {
    const person = await test.person()
    const other = (await post('log-in', { email: person.user.email, password: testPassword })).json()
    await post('refresh', { refreshToken: person.refreshToken })
    await post('refresh', { refreshToken: person.refreshToken })
    test.clock.advance(1000)
    expect((await organizations(person.accessToken)).statusCode).toBe(401)
    expect((await organizations(other.accessToken)).statusCode).toBe(200)
  })

  it('refuses a refresh token after 30 days', async () => {
    const person = await test.person()
    test.clock.advance(30 * 24 * 3600 * 1000)
    const response = await post('refresh', { refreshToken: person.refreshToken })
    expect(response.statusCode).toBe(401)
    expect(response.json().error.code).toBe('refresh_token_invalid')
  })

  it('ends a log-in at log-out, from the cookie and with a used token too, and does so twice without complaint', async () => {
    const person = await test.person()
    const next = (await post('refresh', { refreshToken: person.refreshToken })).json()
    for (let i = 0; i < 2; i++) {
      const response = await post('log-out', {}, {}, { reef_refresh: person.refreshToken })
      expect(response.statusCode).toBe(200)
      expect(cookieOf(response).value).toBe('')
    }
    expect((await post('refresh', { refreshToken: next.refreshToken })).statusCode).toBe(401)
    test.clock.advance(1000)
    expect((await organizations(next.accessToken)).statusCode).toBe(401)
  })

  it('ignores the cookie when the page of an instance, which is the same site, asks', async () => {
    const person = await test.person()
    const cookies = { reef_refresh: person.refreshToken }
    const foreign: Record<string, string>[] = [
      { 'sec-fetch-site': 'same-site', origin: 'http://ada.localhost:7301' },
      { 'sec-fetch-site': 'cross-site' },
      { host: 'reef.example', origin: 'http://ada.reef.example' },
      { host: 'reef.example', origin: 'null' },
    ]
    for (const headers of foreign) {
      expect((await post('refresh', {}, headers, cookies)).statusCode).toBe(401)
      await post('log-out', {}, headers, cookies)
    }
    const own = await post('refresh', {}, { 'sec-fetch-site': 'same-origin' }, cookies)
    expect(own.statusCode).toBe(200)
  })

  it('stores no refresh token in clear', async () => {
    const person = await test.person()
    const dump = await test.database.asSystem((trx) => trx.selectFrom('refresh_tokens').selectAll().execute())
    expect(dump.length).toBeGreaterThan(0)
    const text = dump.map((row) => JSON.stringify(row) + row.token_hash.toString('latin1')).join()
    expect(text).not.toContain(person.refreshToken)
  })

  it('names the field of a bad input', async () => {
    const good = { email: 'bad-input@example.com', password: testPassword, name: 'Bad Input' }
    const cases: [object, string][] = [
      [{ ...good, email: 'no address' }, 'email'],
      [{ ...good, email: 7 }, 'email'],
      [{ ...good, password: 'short' }, 'password'],
      [{ ...good, name: '   ' }, 'name'],
      [{ ...good, name: 'a\u0000b' }, 'name'],
      [{ email: good.email, password: good.password }, 'name'],
      [{ ...good, admin: true }, 'admin'],
    ]
    for (const [payload, field] of cases) {
      const response = await post('sign-up', payload)
      expect(response.statusCode).toBe(400)
      expect(response.json().error).toMatchObject({ code: 'invalid_input', field })
      expect(response.json().error.message).toContain(field)
    }
  })

  it('answers malformed, oversized and foreign bodies with an error of its own', async () => {
    const malformed = await post('log-in', '{"email": "ada@')
    expect(malformed.statusCode).toBe(400)
    expect(malformed.json().error.code).toBe('malformed_json')
    const oversized = await post('log-in', JSON.stringify({ email: 'a'.repeat(300 * 1024), password: 'x' }))
    expect(oversized.statusCode).toBe(413)
    expect(oversized.json().error.code).toBe('body_too_large')
    const form = await post('log-in', 'email=ada', { 'content-type': 'application/x-www-form-urlencoded' })
    expect(form.statusCode).toBe(400)
    expect(form.json().error.code).toBe('unsupported_media_type')
    const list = await post('log-in', '[]')
    expect(list.statusCode).toBe(400)
    expect(list.json().error.code).toBe('invalid_input')
    const nothing = await post('log-in')
    expect(nothing.statusCode).toBe(400)
  })
})
