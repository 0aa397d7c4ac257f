import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { z } from 'zod'
import { startTestApp, type TestApp } from '../../../test/support/app.ts'
import type { Me, TestClient } from '../../../test/support/client.ts'
import type { creditsSchema, entriesSchema, grantSchema, ledgerReportSchema } from '../schemas/credits.ts'

type Credits = z.infer<typeof creditsSchema>
type Entries = z.infer<typeof entriesSchema>
type Grant = z.infer<typeof grantSchema>
type Report = z.infer<typeof ledgerReportSchema>

let app: TestApp
/** Signed up first. */
let operator: TestClient
let person: TestClient
let organization: Me['organization']

beforeAll(async () => {
  app = await startTestApp()
  operator = await app.person('operator@example.com')
  person = await app.person('person@example.com')
  organization = (await person.call<Me>('GET', '/api/me')).organization
})
afterAll(() => app.end())

const grants = '/api/admin/credits/grants'
const give = (body: object) => operator.call<Grant>('POST', grants, body)
const refusal = async (client: TestClient, method: string, path: string, body?: unknown) => {
  const answer = await client.raw(method, path, body)
  const { error } = (await answer.json()) as { error: { code: string; message: string; field?: string } }
  return { status: answer.status, ...error }
}

describe('an operator’s grant', () => {
  it('reaches an organization by its id, its slug, or its person’s e-mail address', async () => {
    const before = await person.call<Credits>('GET', '/api/credits')
    for (const to of [organization.id, organization.slug, ' Person@example.com '])
      expect(await give({ to, credits: 1.5 })).toMatchObject({
        organization: { id: organization.id },
        amountMicros: 1_500_000,
        replayed: false,
      })
    const after = await person.call<Credits>('GET', '/api/credits')
    expect(after.availableMicros - before.availableMicros).toBe(4_500_000)
    expect(after.grantedMicros - before.grantedMicros).toBe(4_500_000)
  })

  it('is made once with an idempotency key, and never changed by it', async () => {
    const body = { to: organization.id, credits: 2, note: 'Sorry', idempotencyKey: 'ticket-7' }
    const first = await give(body)
    expect(await give(body)).toEqual({ ...first, replayed: true })
    expect(await refusal(operator, 'POST', grants, { ...body, credits: 3 })).toMatchObject({
      status: 409,
      code: 'idempotency_key_reused',
    })
  })

  it('shows in the statement who gave it and why', async () => {
    await give({ to: organization.id, credits: 1, note: 'A note' })
    const { entries } = await person.call<Entries>('GET', '/api/credits/ledger?search=a+note')
    const { userId } = await operator
      .call<{ user: { id: string } }>('GET', '/api/me')
      .then(({ user }) => ({ userId: user.id }))
    expect(entries).toMatchObject([
      { kind: 'grant', amountMicros: 1_000_000, note: 'A note', actorUserId: userId },
    ])
  })

  it.each([
    [{ to: 'nobody@example.com', credits: 1 }, 'to'],
    [{ to: 'no-such-organization', credits: 1 }, 'to'],
    [{ to: 'x', credits: 0 }, 'credits'],
    [{ to: 'x', credits: -1 }, 'credits'],
    [{ to: 'x', credits: 0.0000001 }, 'credits'],
    [{ to: 'x', credits: 100_000_001 }, 'credits'],
    [{ to: 'x', credits: 1, idempotencyKey: 'ä' }, 'idempotencyKey'],
    [{ to: 'x\u0000', credits: 1 }, 'to'],
    [{ to: 'x', credits: 1, note: 'a\u0000b' }, 'note'],
  ])('of %j is refused', async (body, field) => {
    expect(await refusal(operator, 'POST', grants, body)).toMatchObject({ status: 400, field })
  })

  it('is nobody else’s to make', async () => {
    for (const path of [grants, '/api/admin/ledger/verify']) {
      const body = path === grants ? { to: organization.id, credits: 1 } : undefined
      expect(await refusal(person, 'POST', path, body)).toMatchObject({ status: 404, code: 'not_found' })
    }
  })
})

describe('the statement', () => {
  it('comes in pages', async () => {
    const all = await person.call<Entries>('GET', '/api/credits/ledger?limit=200')
    const first = await person.call<Entries>('GET', '/api/credits/ledger?limit=2')
    const rest = await person.call<Entries>('GET', `/api/credits/ledger?limit=200&cursor=${first.cursor}`)
    expect([...first.entries, ...rest.entries]).toEqual(all.entries)
    expect(all.cursor).toBeNull()
  })

  it('comes as CSV that no spreadsheet takes for formulas', async () => {
    await give({ to: organization.id, credits: 0.25, note: '=HYPERLINK("http://x")' })
    const answer = await person.raw('GET', '/api/credits/ledger.csv')
    expect(answer.headers.get('content-type')).toBe('text/csv; charset=utf-8')
    expect(answer.headers.get('content-disposition')).toContain('attachment')
    const lines = (await answer.text()).trimEnd().split('\r\n')
    expect(lines[0]).toMatch(/^time,kind,credits,balance,/)
    expect(lines.at(-1)).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z,grant,0\.250000,\d+\.\d{6},/)
    expect(lines.at(-1)).toContain('"\'=HYPERLINK(""http://x"")"')
    const { entries } = await person.call<Entries>('GET', '/api/credits/ledger?limit=200')
    expect(lines).toHaveLength(entries.length + 1)
  })

  it.each([
    'kind=gift',
    'from=yesterday',
    'limit=0',
    'limit=1000',
    'cursor=x',
    'search=',
    'search=a%00b',
    'wrong=1',
  ])('refuses ?%s', async (query) => {
    expect(await refusal(person, 'GET', `/api/credits/ledger?${query}`)).toMatchObject({ status: 400 })
  })

  it('is closed to keys without the scope', async () => {
    const key = async (scopes: string[]) =>
      (await person.call<{ key: string }>('POST', '/api/api-keys', { name: 'k', scopes })).key
    const get = async (authorization: string) =>
      (await fetch(`${app.url}/api/credits`, { headers: { authorization } })).status
    expect(await get(`Bearer ${await key(['chat'])}`)).toBe(404)
    expect(await get(`Bearer ${await key(['credits:read'])}`)).toBe(200)
  })
})

describe('what takes the database long', () => {
  it.each([
    ['GET', '/api/credits/ledger.csv', 20],
    ['GET', '/api/credits/ledger?search=x', 240],
    ['GET', '/api/usage', 240],
    ['DELETE', '/api/credits/budgets/0199c0de-0000-7000-8000-000000000000', 60],
  ])('%s %s cannot be asked for without end, and says when it can again', async (method, path, timesMax) => {
    const greedy = await app.person(`greedy${timesMax}${method}${path.length}@example.com`)
    const ask = () => greedy.raw(method, path)
    for (let times = 0; times < timesMax; times++) expect((await ask()).status).not.toBe(429)
    const refused = await ask()
    expect(refused.status).toBe(429)
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
    expect((await person.raw(method, path)).status).not.toBe(429)
  })
})

describe('verification', () => {
  it('answers operators that all is well', async () => {
    const report = await operator.call<Report>('POST', '/api/admin/ledger/verify')
    expect(report).toMatchObject({ ok: true, problems: [], problemsCount: 0 })
    expect(report.transfers).toBeGreaterThan(5)
    const { granted, purchased, writtenOff, ...where } = report.totalsMicros
    expect(Object.values(where).reduce((sum, micros) => sum + micros)).toBe(granted + purchased + writtenOff)
  })
})
