import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTestAccounts, type TestAccounts } from '../../../test/support/accounts.ts'
import { fillPath, routesOf } from '../../../test/support/walk.ts'
import { newId } from '../../ids.ts'

/** A body that each route with one takes, so that nothing but the caller can be what is wrong. */
const bodies: Record<string, object> = {
  'POST /api/orgs': { name: 'Guild' },
  'PATCH /api/orgs/{organizationId}': { name: 'Guild' },
  'PATCH /api/orgs/{organizationId}/members/{userId}': { role: 'admin' },
  'POST /api/orgs/{organizationId}/invitations': { email: 'guest@example.com' },
  'POST /api/invitations/accept': { token: 'x' },
  'POST /api/api-keys': { name: 'key' },
}
/** Everything else must say `security` in the document. */
const open = [
  '/api/auth/sign-up',
  '/api/auth/log-in',
  '/api/auth/refresh',
  '/api/auth/log-out',
  '/api/auth/verify-email',
]

describe('every route of accounts', () => {
  let test: TestAccounts
  beforeAll(async () => {
    test = await createTestAccounts()
  })
  afterAll(() => test.close())

  it('declares whom it serves and how it fails', () => {
    const routes = routesOf(test.app)
    expect(routes.length).toBeGreaterThan(15)
    for (const route of routes) {
      const name = `${route.method} ${route.path}`
      expect([name, route.secured]).toEqual([name, !open.includes(route.path)])
      if (route.secured) expect([name, route.statuses]).toEqual([name, expect.arrayContaining([401, 404])])
      if (route.hasBody || route.parameters.length > 0)
        expect([name, route.statuses]).toEqual([name, expect.arrayContaining([400])])
    }
  })

  it('answers a foreign id, a missing one and nobody as it should', async () => {
    const owner = await test.person()
    const stranger = await test.person()
    const post = async (url: string, payload: object) =>
      (await test.app.inject({ method: 'POST', url, payload, headers: owner.headers })).json().id as string
    const foreign = {
      organizationId: owner.organizationId,
      userId: owner.user.id,
      invitationId: await post(`/api/orgs/${owner.organizationId}/invitations`, {
        email: 'guest@example.com',
      }),
      apiKeyId: await post('/api/api-keys', { name: 'key' }),
    }
    const missing = Object.fromEntries(Object.keys(foreign).map((name) => [name, newId()]))
    for (const route of routesOf(test.app).filter((candidate) => candidate.secured)) {
      const name = `${route.method} ${route.path}`
      const body = bodies[name]
      if (route.hasBody && !body) throw new Error(`${name}: the walk has no body for it`)
      const send = (ids: Record<string, string>, headers: Record<string, string>) =>
        test.app.inject({
          method: route.method,
          url: fillPath(route, ids),
          headers,
          ...(body ? { payload: body } : {}),
        })
      expect([name, (await send(foreign, {})).statusCode]).toEqual([name, 401])
      if (route.parameters.length > 0) {
        const answer = await send(foreign, stranger.headers)
        expect([name, answer.statusCode]).toEqual([name, 404])
        expect([name, answer.body]).toEqual([name, (await send(missing, stranger.headers)).body])
      }
      const elsewhere = { ...stranger.headers, 'reef-organization': owner.organizationId }
      expect([name, (await send(foreign, elsewhere)).statusCode]).toEqual([name, 404])
    }
  })
})
