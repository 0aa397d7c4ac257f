import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  createTestAccounts,
  type TestAccounts,
  type TestPerson,
  testPassword,
} from '../../../test/support/accounts.ts'
import { startTestApp } from '../../../test/support/app.ts'
import { eventually } from '../../../test/support/eventually.ts'
import { startMailServer, type TestMailServer } from '../../../test/support/mail-server.ts'
import { openSmtpMailer } from '../../adapters/smtp/mailer.ts'

let mailServer: TestMailServer
let test: TestAccounts
let person: TestPerson

beforeEach(async () => {
  mailServer = await startMailServer()
  test = await createTestAccounts({
    publicUrl: 'https://reef.example.test',
    mailer: openSmtpMailer({ url: mailServer.url, from: 'reef@example.test' }),
  })
  // The first one operates this Reef.
  await test.person()
  person = await test.person()
})
afterEach(async () => {
  await test.close()
  await mailServer.close()
})

const tokens = () =>
  eventually(() => {
    const found = mailServer.mails
      .filter(({ to }) => to[0] === person.user.email)
      .map(({ text }) => /https:\/\/reef\.example\.test\/verify-email#token=([\w-]{43})/.exec(text)?.[1])
    expect(found.length).toBeGreaterThan(0)
    return found as string[]
  })
const confirm = (token: string) =>
  test.app.inject({ method: 'POST', url: '/api/auth/verify-email', payload: { token } })
const resend = () =>
  test.app.inject({ method: 'POST', url: '/api/auth/verify-email/resend', headers: person.headers })
const stateOf = () =>
  test.database.asSystem(async (trx) => {
    const { email_verified } = await trx
      .selectFrom('users')
      .select('email_verified')
      .where('id', '=', person.user.id)
      .executeTakeFirstOrThrow()
    const book = await trx
      .selectFrom('ledger_books')
      .select('granted')
      .where('organization_id', '=', person.organizationId)
      .executeTakeFirst()
    return [email_verified, book?.granted ?? 0]
  })

describe('an e-mail address', () => {
  it('is confirmed by the link that was mailed, once, and trial credits come with it', async () => {
    const [token] = (await tokens()) as [string]
    expect(await stateOf()).toEqual([false, 0])
    expect((await confirm(`${token.slice(0, -1)}x`)).statusCode).toBe(409)
    expect((await confirm(token)).statusCode).toBe(200)
    expect(await stateOf()).toEqual([true, 500_000_000])
    const again = await confirm(token)
    expect([again.statusCode, again.json().error.code]).toEqual([409, 'link_over'])
    expect((await resend()).json().error.code).toBe('email_verified')
  })

  it('is confirmed once by racing openings of the link', async () => {
    const [token] = (await tokens()) as [string]
    const answers = await Promise.all(Array.from({ length: 6 }, () => confirm(token)))
    expect(answers.filter(({ statusCode }) => statusCode === 200)).toHaveLength(1)
    expect(await stateOf()).toEqual([true, 500_000_000])
  })

  it('is not confirmed by a link that is older than a day, or that was sent to another address', async () => {
    const [token] = (await tokens()) as [string]
    await test.database.asSystem((trx) =>
      trx.updateTable('users').set({ email: 'new@example.com' }).where('id', '=', person.user.id).execute(),
    )
    expect((await confirm(token)).statusCode).toBe(409)
    await test.database.asSystem((trx) =>
      trx.updateTable('users').set({ email: person.user.email }).where('id', '=', person.user.id).execute(),
    )
    test.clock.advance(24 * 3_600_000 + 1)
    expect((await confirm(token)).statusCode).toBe(409)
    expect(await stateOf()).toEqual([false, 0])
  })

  it('gets at most five links within an hour', async () => {
    await tokens()
    const statuses: number[] = []
    for (let i = 0; i < 5; i++) statuses.push((await resend()).statusCode)
    expect(statuses).toEqual([200, 200, 200, 200, 429])
    test.clock.advance(3_600_001)
    // The access token is over by then, too.
    const { accessToken } = await test.accounts.logIn({ email: person.user.email, password: testPassword })
    person.headers = { authorization: `Bearer ${accessToken}` }
    expect((await resend()).statusCode).toBe(200)
  })

  it('keeps nothing of the link but a hash', async () => {
    const [token] = (await tokens()) as [string]
    const rows = await test.database.asSystem((trx) =>
      trx.selectFrom('email_verifications').selectAll().execute(),
    )
    expect(rows).toHaveLength(2)
    expect(
      JSON.stringify(rows.map((row) => ({ ...row, token_hash: row.token_hash.toString('base64url') }))),
    ).not.toContain(token)
  })

  it('is asked for again when the mail server did not take the mail', async () => {
    await tokens()
    mailServer.refuse({ code: 451, message: 'later' })
    const answer = await resend()
    expect([answer.statusCode, answer.json().error.code]).toEqual([503, 'mail_failed'])
    mailServer.refuse(undefined)
    expect((await resend()).statusCode).toBe(200)
  })
})

it('is confirmed through a whole control plane with a mail server', async () => {
  const app = await startTestApp({ environment: { REEF_SMTP_URL: mailServer.url } })
  await app.person('operator@example.com')
  const newcomer = await app.person('newcomer@example.com')
  const me = () => newcomer.call<{ emailToConfirm: unknown }>('GET', '/api/me')
  const available = async () =>
    (await newcomer.call<{ availableMicros: number }>('GET', '/api/credits')).availableMicros
  expect((await me()).emailToConfirm).toEqual({ email: 'newcomer@example.com', trial: true })
  expect(await available()).toBe(0)
  const token = await eventually(() => {
    const mail = mailServer.mails.find(({ to }) => to[0] === 'newcomer@example.com')
    expect(mail?.text).toContain('From: Reef <reef@localhost>')
    return /verify-email#token=([\w-]{43})/.exec(mail?.text ?? '')?.[1] as string
  })
  const answer = await fetch(`${app.url}/api/auth/verify-email`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ token }),
  })
  expect(answer.status).toBe(200)
  expect((await me()).emailToConfirm).toBeNull()
  expect(await available()).toBe(500_000_000)
  await app.end()
})
