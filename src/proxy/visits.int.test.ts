import { createHmac } from 'node:crypto'
import { sql } from 'kysely'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts'
import {
  startProxy,
  startUpstream,
  type TestProxy,
  type TestUpstream,
  testPrincipal,
} from '../../test/support/proxy.ts'
import { testSecret } from '../../test/support/secret.ts'
import { createAuthenticator } from '../domain/accounts/authenticator.ts'
import type { Principal } from '../domain/accounts/principal.ts'
import { revokeFamilyOf, rotateRefreshToken, startTokenFamily } from '../domain/accounts/refresh-tokens.ts'
import { newId } from '../ids.ts'
import { createVisits, type Visits } from './visits.ts'

let database: TestDatabase
let upstream: TestUpstream
let proxy: TestProxy
let visits: Visits
let now = new Date()

beforeAll(async () => {
  database = await createTestDatabase()
  upstream = await startUpstream()
  const clock = { now: () => now }
  visits = createVisits({
    database,
    targets: { mayVisit: async (userId) => proxy.visitors.has(userId) },
    clock,
    domain: 'localhost',
    proxyPublicUrl: 'http://127.0.0.1:7301',
  })
  proxy = await startProxy(upstream.url, {
    visits,
    logIns: createAuthenticator({ database, secret: testSecret, clock }),
    limits: { rememberedMilliseconds: 0, holdSeconds: 0.2 },
  })
  await insertInstance(testPrincipal, proxy.target.instanceId, 'ada')
})
afterAll(async () => {
  await proxy.close()
  await upstream.close()
  await database.drop()
})
beforeEach(() => {
  upstream.seen.length = 0
  upstream.onRequest = (_, response) => response.end('hello')
  now = new Date()
})

async function insertInstance(principal: Principal, instanceId: string, slug: string): Promise<void> {
  const { userId, familyId, organizationId } = principal
  await database.asSystem(async (trx) => {
    await sql`insert into users (id, email, name) values (${userId}, ${`${slug}@example.com`}, 'A')`.execute(
      trx,
    )
    await sql`insert into token_families (id, user_id, expires_at)
      values (${familyId}, ${userId}, now() + interval '30 days')`.execute(trx)
    await sql`insert into organizations (id, name, slug) values (${organizationId}, 'O', ${slug})`.execute(
      trx,
    )
    await sql`insert into members (organization_id, user_id, role, name, email)
      values (${organizationId}, ${userId}, 'owner', 'A', ${`${slug}@example.com`})`.execute(trx)
    await sql`insert into instances (id, organization_id, owner_user_id, name, slug, driver, desired_state, status)
      values (${instanceId}, ${organizationId}, ${userId}, 'I', ${slug}, 'fake', 'running', 'running')`.execute(
      trx,
    )
  })
}

/** Node's fetch cannot set Host and names every request a script's; a browser's navigation is made by hand. */
async function open(
  path: string,
  headers: Record<string, string> = {},
  method = 'GET',
): Promise<{ status: number; headers: Headers; text: string }> {
  const { request } = await import('node:http')
  return new Promise((done, fail) => {
    const sent = request(
      { host: '127.0.0.1', port: proxy.port, path, method, headers: { host: proxy.slugHost, ...headers } },
      (response) => {
        let text = ''
        response.on('data', (chunk) => {
          text += chunk
        })
        response.on('end', () =>
          done({
            status: response.statusCode as number,
            headers: new Headers(response.headers as Record<string, string>),
            text,
          }),
        )
      },
    )
    sent.on('error', fail)
    sent.end()
  })
}

const navigation = { accept: 'text/html,*/*', 'sec-fetch-mode': 'navigate', 'sec-fetch-site': 'none' }

async function ticket(principal = testPrincipal): Promise<string> {
  const { url } = await visits.create(principal, proxy.target.instanceId)
  expect(url).toMatch(/^http:\/\/ada\.localhost:7301\/__reef\/enter\?ticket=[A-Za-z0-9_-]{43}$/)
  return url.slice(url.indexOf('/__reef'))
}

/** The Cookie header of a visit that begins now. */
async function enter(path: string): Promise<string> {
  const entered = await open(path, navigation)
  return (entered.headers.get('set-cookie') as string).split(';', 1)[0] as string
}

describe('tickets', () => {
  it('lead into the Control UI as the person who asked, in place of whoever they claim to be', async () => {
    const entered = await open(await ticket(), navigation)
    expect([entered.status, entered.headers.get('location')]).toEqual([303, '/'])
    const cookie = (entered.headers.get('set-cookie') as string).split(';', 1)[0] as string
    const page = await open('/chat?session=main', {
      ...navigation,
      cookie: `theme=dark; ${cookie}`,
      'x-reef-user': 'root@example.com',
    })
    expect([page.status, page.text]).toEqual([200, 'hello'])
    expect(upstream.seen[0]).toMatchObject({
      url: '/chat?session=main',
      headers: {
        'x-reef-user': 'ada@example.com',
        'x-reef-route': 'ui',
        host: proxy.slugHost,
        cookie: 'theme=dark',
        'x-forwarded-host': proxy.slugHost,
      },
    })
  })

  it('are good once, also when two come at the same moment', async () => {
    const url = await ticket()
    const answers = await Promise.all(Array.from({ length: 8 }, () => open(url, navigation)))
    expect(answers.map((answer) => answer.status).sort()).toEqual([303, ...Array(7).fill(403)])
    const again = await open(url, navigation)
    expect(again.text).toContain('This link was used already')
    expect(again.headers.get('set-cookie')).toBeNull()
  })

  it('are good for a minute and only for the name that they were made for', async () => {
    const late = await ticket()
    now = new Date(now.getTime() + 60_000)
    expect((await open(late, navigation)).status).toBe(403)
    const elsewhere = await ticket()
    expect((await open(elsewhere, { ...navigation, host: `bob.localhost:${proxy.port}` })).status).toBe(403)
  })

  it('are not used up by a HEAD, nor asked of the database when they cannot be one', async () => {
    const url = await ticket()
    expect((await open(url, navigation, 'HEAD')).status).toBe(405)
    expect((await open(url, navigation)).status).toBe(303)
    for (const odd of ['', 'x', 'a'.repeat(43), "'or 1=1--"])
      expect((await open(`/__reef/enter?ticket=${encodeURIComponent(odd)}`, navigation)).status).toBe(403)
  })

  it('are given to people who may visit, and to nobody else', async () => {
    const stranger = { ...testPrincipal, userId: newId(), familyId: newId(), organizationId: newId() }
    await insertInstance(stranger, newId(), 'bob')
    const { instanceId } = proxy.target
    await expect(visits.create(stranger, instanceId)).rejects.toMatchObject({ kind: 'notFound' })
    // Even if the check of the application were gone, the tenant's view of the tables would not show the instance.
    proxy.visitors.add(stranger.userId)
    await expect(visits.create(stranger, instanceId)).rejects.toMatchObject({ kind: 'notFound' })
    await expect(visits.create({ ...testPrincipal, kind: 'apiKey' }, instanceId)).rejects.toMatchObject({
      kind: 'notFound',
    })
    await expect(visits.create(testPrincipal, newId())).rejects.toMatchObject({ kind: 'notFound' })
  })

  it('leave nothing behind in the database that could be used, and expired ones are cleared away', async () => {
    const url = await ticket()
    const { rows } = await database.asSystem((trx) =>
      sql<{ all: string }>`
      select string_agg(visit_tickets::text, '') as all from visit_tickets`.execute(trx),
    )
    expect(rows[0]?.all).not.toContain(url.split('=')[1])
    now = new Date(now.getTime() + 120_000)
    await ticket()
    const left = await database.asSystem((trx) =>
      trx.selectFrom('visit_tickets').select('expires_at').where('expires_at', '<=', now).execute(),
    )
    expect(left).toEqual([])
  })
})

describe('a visit', () => {
  const status = async (cookie: string): Promise<number> => (await open('/', { cookie })).status

  it('goes on while its log-in is refreshed, and ends within a second of logging out', async () => {
    const logIn = await database.asSystem((trx) => startTokenFamily(trx, testPrincipal.userId, now))
    const principal = { ...testPrincipal, familyId: logIn.familyId }
    const [cookie, elsewhere] = [await enter(await ticket(principal)), await enter(await ticket())]
    const unused = await ticket(principal)
    expect(await status(cookie)).toBe(200)

    await database.asSystem((trx) => rotateRefreshToken(trx, logIn.refreshToken, now))
    now = new Date(now.getTime() + 1000)
    expect(await status(cookie)).toBe(200)

    await database.asSystem((trx) => revokeFamilyOf(trx, logIn.refreshToken, now))
    now = new Date(now.getTime() + 1000)
    const page = await open('/', { ...navigation, cookie })
    expect([page.status, page.text.includes('from the Reef dashboard')]).toEqual([401, true])
    expect(await status(await enter(unused))).toBe(401)
    expect(await status(elsewhere)).toBe(200)
  })

  it('has to begin anew where the cookie is of a version that did not write down the log-in', async () => {
    const key = testSecret.deriveKey('visit cookie')
    const signed = (content: object): string => {
      const text = Buffer.from(JSON.stringify(content)).toString('base64url')
      return `reef_visit=${text}.${createHmac('sha256', key).update(text).digest('base64url')}`
    }
    const visit = { ...proxy.visit, expiresAt: now.getTime() + 3_600_000 }
    const { familyId: _, ...earlier } = visit
    expect(await status(signed(visit))).toBe(200)
    const page = await open('/', { ...navigation, cookie: signed(earlier) })
    expect([page.status, page.text.includes('from the Reef dashboard')]).toEqual([401, true])
  })
})

describe('an instance’s own address', () => {
  it('shows people without a visit how to get in, and tells programs in JSON, whether or not the name exists', async () => {
    const page = await open('/', navigation)
    expect(page.status).toBe(401)
    expect(page.headers.get('content-type')).toContain('text/html')
    expect(page.text).toContain('http://127.0.0.1:7300')
    const unknown = await open('/', { ...navigation, host: `nobody.localhost:${proxy.port}` })
    expect([unknown.status, unknown.text]).toEqual([page.status, page.text])
    const json = await open('/api/x')
    expect([json.status, JSON.parse(json.text).error.code]).toEqual([401, 'visit_required'])
    expect(upstream.seen).toEqual([])
  })

  it('refuses a changed cookie, and one of a person who may visit no more, within a second', async () => {
    expect((await open('/', { cookie: proxy.cookie })).status).toBe(200)
    expect((await open('/', { cookie: proxy.cookie.replace(/.\./, 'x.') })).status).toBe(401)
    proxy.visitors.delete(testPrincipal.userId)
    expect((await open('/', { cookie: proxy.cookie })).status).toBe(401)
    proxy.visitors.add(testPrincipal.userId)
  })

  it('refuses what a neighbouring or foreign page makes the browser do, but not a link to it', async () => {
    const { cookie } = proxy
    const foreign = 'http://eve.localhost:7301'
    const answers = [
      await open('/', { cookie, origin: foreign }, 'POST'),
      await open('/', { cookie, origin: 'null' }, 'DELETE'),
      await open('/', { cookie, 'sec-fetch-site': 'same-site', 'sec-fetch-mode': 'cors' }),
      await open('/', { cookie, 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' }),
      await open('/', { cookie, 'sec-fetch-site': 'same-site', 'sec-fetch-mode': 'navigate' }),
      await open('/', { cookie, 'sec-fetch-site': 'same-origin', 'sec-fetch-mode': 'cors' }),
      await open('/', { cookie, origin: proxy.origin }, 'POST'),
    ]
    expect(answers.map((answer) => answer.status)).toEqual([403, 403, 403, 403, 200, 200, 200])
  })

  it('keeps the instance from setting cookies for its neighbours or in place of the visit', async () => {
    upstream.onRequest = (_, response) => {
      response.setHeader('set-cookie', [
        'own=1; Path=/; Domain=localhost; HttpOnly',
        'reef_visit=forged; Path=/',
        'plain=2',
      ])
      response.end()
    }
    const { headers } = await open('/', { cookie: proxy.cookie })
    expect(headers.get('set-cookie')).toBe('own=1; Path=/; HttpOnly,plain=2')
  })

  it('says in a page that it is stopped, and never starts it', async () => {
    const before = proxy.target
    proxy.target = { ...before, status: 'stopped', wanted: false }
    const page = await open('/', { ...navigation, cookie: proxy.cookie })
    proxy.target = before
    expect([page.status, page.headers.get('retry-after')]).toEqual([503, '30'])
    expect(page.text).toContain('Your OpenClaw is stopped')
    expect(page.text).toContain('Start it in the dashboard')
  })

  it('keeps the paths that are Reef’s own from the instance', async () => {
    expect((await open('/__reef/other', { cookie: proxy.cookie })).status).toBe(404)
    expect(upstream.seen).toEqual([])
  })
})
