import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTestAccounts, type TestAccounts, type TestPerson } from '../../../test/support/accounts.ts'
import { newId } from '../../ids.ts'

type Method = 'GET' | 'POST' | 'PATCH' | 'DELETE'

describe('organizations', () => {
  let test: TestAccounts
  beforeAll(async () => {
    test = await createTestAccounts()
  })
  afterAll(() => test.close())

  const call = (who: TestPerson | undefined, method: Method, url: string, payload?: object) =>
    test.app.inject({
      method,
      url,
      ...(payload ? { payload } : {}),
      ...(who ? { headers: who.headers } : {}),
    })
  const createOrganization = async (owner: TestPerson): Promise<string> =>
    (await call(owner, 'POST', '/api/orgs', { name: 'Guild' })).json().id
  const invite = async (who: TestPerson, organizationId: string, email: string, role = 'member') =>
    call(who, 'POST', `/api/orgs/${organizationId}/invitations`, { email, role })
  const accept = (who: TestPerson, token: string) => call(who, 'POST', '/api/invitations/accept', { token })
  const join = async (owner: TestPerson, organizationId: string, role: string): Promise<TestPerson> => {
    const person = await test.person()
    const { token } = (await invite(owner, organizationId, person.user.email, role)).json()
    expect((await accept(person, token)).statusCode).toBe(200)
    return person
  }
  const roles = async (who: TestPerson, organizationId: string): Promise<Record<string, string>> => {
    const { members } = (await call(who, 'GET', `/api/orgs/${organizationId}/members`)).json()
    return Object.fromEntries(
      members.map((member: { userId: string; role: string }) => [member.userId, member.role]),
    )
  }

  it('are made by anyone, listed for their members and renamed by admins', async () => {
    const owner = await test.person()
    const created = await call(owner, 'POST', '/api/orgs', { name: 'Guild' })
    expect(created.statusCode).toBe(201)
    expect(created.json()).toMatchObject({ name: 'Guild', personal: false, role: 'owner' })
    const { id } = created.json()
    const listed = (await call(owner, 'GET', '/api/orgs')).json().organizations
    expect(listed.map((organization: { id: string }) => organization.id)).toEqual([owner.organizationId, id])
    const member = await join(owner, id, 'member')
    const path = `/api/orgs/${id}`
    expect((await call(member, 'PATCH', path, { name: 'Mine' })).statusCode).toBe(404)
    const renamed = await call(owner, 'PATCH', path, { name: 'Guild of two' })
    expect(renamed.json()).toMatchObject({ name: 'Guild of two', role: 'owner' })
    expect((await call(member, 'GET', path)).json()).toMatchObject({ name: 'Guild of two', role: 'member' })
  })

  it('are acted in by the header reef-organization, and by nobody else’s', async () => {
    const owner = await test.person()
    const organizationId = await createOrganization(owner)
    const stranger = await test.person()
    const keys = (who: TestPerson) =>
      test.app.inject({
        url: '/api/api-keys',
        headers: { ...who.headers, 'reef-organization': organizationId.toUpperCase() },
      })
    expect((await keys(owner)).statusCode).toBe(200)
    expect((await keys(stranger)).statusCode).toBe(404)
  })

  it('answer outsiders as if they did not exist, on every route', async () => {
    const owner = await test.person()
    const organizationId = await createOrganization(owner)
    const member = await join(owner, organizationId, 'member')
    const invitation = (await invite(owner, organizationId, 'guest@example.com')).json()
    const stranger = await test.person()
    const routes = (id: string, userId: string, invitationId: string): [Method, string, object?][] => [
      ['GET', `/api/orgs/${id}`],
      ['PATCH', `/api/orgs/${id}`, { name: 'Taken over' }],
      ['GET', `/api/orgs/${id}/members`],
      ['PATCH', `/api/orgs/${id}/members/${userId}`, { role: 'owner' }],
      ['DELETE', `/api/orgs/${id}/members/${userId}`],
      ['GET', `/api/orgs/${id}/invitations`],
      ['POST', `/api/orgs/${id}/invitations`, { email: 'a@example.com' }],
      ['DELETE', `/api/orgs/${id}/invitations/${invitationId}`],
    ]
    const foreign = routes(organizationId, member.user.id, invitation.id)
    const missing = routes(newId(), newId(), newId())
    const within = routes(stranger.organizationId, member.user.id, invitation.id)
    for (const [index, [method, url, payload]] of foreign.entries()) {
      const answer = await call(stranger, method, url, payload)
      const [, missingUrl = ''] = missing[index] ?? []
      const other = await call(stranger, method, missingUrl, payload)
      expect([url, answer.statusCode]).toEqual([url, 404])
      expect(answer.body).toBe(other.body)
      expect((await call(undefined, method, url, payload)).statusCode).toBe(401)
      // One's own organization with somebody else's member or invitation in it.
      const [, mixedUrl = ''] = within[index] ?? []
      if (mixedUrl.includes(member.user.id) || mixedUrl.includes(invitation.id)) {
        const mixed = await call(stranger, method, mixedUrl, payload)
        expect([mixed.statusCode, mixed.body]).toEqual([404, other.body])
      }
    }
    expect(await roles(owner, organizationId)).toEqual({
      [owner.user.id]: 'owner',
      [member.user.id]: 'member',
    })
  })

  it('keep an owner: the last one can neither leave nor step down', async () => {
    const owner = await test.person()
    const organizationId = await createOrganization(owner)
    const path = `/api/orgs/${organizationId}/members/${owner.user.id}`
    for (const answer of [
      await call(owner, 'DELETE', path),
      await call(owner, 'PATCH', path, { role: 'admin' }),
    ]) {
      expect(answer.statusCode).toBe(409)
      expect(answer.json().error.code).toBe('last_owner')
    }
    await join(owner, organizationId, 'owner')
    expect((await call(owner, 'DELETE', path)).statusCode).toBe(200)
    test.clock.advance(1000)
    expect((await call(owner, 'GET', `/api/orgs/${organizationId}`)).statusCode).toBe(404)
  })

  it('keep an owner when two owners demote each other at the same moment', async () => {
    for (let round = 0; round < 5; round++) {
      const first = await test.person()
      const organizationId = await createOrganization(first)
      const second = await join(first, organizationId, 'owner')
      const demote = (who: TestPerson, whom: TestPerson) =>
        call(who, 'PATCH', `/api/orgs/${organizationId}/members/${whom.user.id}`, { role: 'member' })
      const answers = await Promise.all([demote(first, second), demote(second, first)])
      expect(answers.map((answer) => answer.statusCode).sort()).toEqual([200, 404])
      test.clock.advance(1000)
      expect(Object.values(await roles(first, organizationId)).sort()).toEqual(['member', 'owner'])
    }
  })

  it('let admins manage members but make no owners and touch none', async () => {
    const owner = await test.person()
    const organizationId = await createOrganization(owner)
    const admin = await join(owner, organizationId, 'admin')
    const member = await join(owner, organizationId, 'member')
    const path = (who: TestPerson) => `/api/orgs/${organizationId}/members/${who.user.id}`
    expect((await call(admin, 'PATCH', path(member), { role: 'owner' })).statusCode).toBe(404)
    expect((await call(admin, 'PATCH', path(owner), { role: 'member' })).statusCode).toBe(404)
    expect((await call(admin, 'DELETE', path(owner))).statusCode).toBe(404)
    expect((await invite(admin, organizationId, 'boss@example.com', 'owner')).statusCode).toBe(404)
    expect((await call(admin, 'PATCH', path(member), { role: 'admin' })).json().role).toBe('admin')
    expect((await call(admin, 'DELETE', path(member))).statusCode).toBe(200)
    expect(await roles(owner, organizationId)).toEqual({ [owner.user.id]: 'owner', [admin.user.id]: 'admin' })
  })

  it('leave a personal organization with its person', async () => {
    const person = await test.person()
    const other = await join(person, person.organizationId, 'owner')
    const path = `/api/orgs/${person.organizationId}/members/${person.user.id}`
    for (const answer of [
      await call(other, 'DELETE', path),
      await call(person, 'PATCH', path, { role: 'admin' }),
    ]) {
      expect(answer.statusCode).toBe(409)
      expect(answer.json().error.code).toBe('personal_organization')
    }
  })

  it('are closed to a removed member within a second', async () => {
    const owner = await test.person()
    const organizationId = await createOrganization(owner)
    const member = await join(owner, organizationId, 'member')
    expect((await call(member, 'GET', `/api/orgs/${organizationId}`)).statusCode).toBe(200)
    await call(owner, 'DELETE', `/api/orgs/${organizationId}/members/${member.user.id}`)
    test.clock.advance(1000)
    expect((await call(member, 'GET', `/api/orgs/${organizationId}`)).statusCode).toBe(404)
  })

  it('name the field of a bad input', async () => {
    const owner = await test.person()
    const path = `/api/orgs/${owner.organizationId}`
    const cases: [Method, string, object, string][] = [
      ['POST', '/api/orgs', { name: '' }, 'name'],
      ['POST', '/api/orgs', { name: 'Guild', slug: 'mine' }, 'slug'],
      ['POST', `${path}/invitations`, { email: 'a@example.com', role: 'king' }, 'role'],
      ['PATCH', `${path}/members/${owner.user.id}`, {}, 'role'],
      ['PATCH', `${path}/members/not-an-id`, { role: 'admin' }, 'userId'],
      ['POST', '/api/invitations/accept', { token: 5 }, 'token'],
    ]
    for (const [method, url, payload, field] of cases) {
      const response = await call(owner, method, url, payload)
      expect([url, response.statusCode, response.json().error.field]).toEqual([url, 400, field])
    }
  })

  describe('invitations', () => {
    it('lead the invited person in, once, with the role that was offered', async () => {
      const owner = await test.person()
      const organizationId = await createOrganization(owner)
      const guest = await test.person()
      const response = await invite(owner, organizationId, guest.user.email.toUpperCase(), 'admin')
      expect(response.statusCode).toBe(201)
      const { token, url } = response.json()
      expect(url).toBe(`http://127.0.0.1:7300/invitation#${token}`)
      const accepted = await accept(guest, token)
      expect(accepted.json()).toMatchObject({ id: organizationId, role: 'admin', personal: false })
      expect((await accept(guest, token)).statusCode).toBe(200)
      expect(await roles(owner, organizationId)).toEqual({
        [owner.user.id]: 'owner',
        [guest.user.id]: 'admin',
      })
      const listed = await call(owner, 'GET', `/api/orgs/${organizationId}/invitations`)
      expect(listed.json()).toEqual({ invitations: [] })
      const again = await invite(owner, organizationId, guest.user.email)
      expect(again.json().error.code).toBe('already_member')
    })

    it('are of no use to anyone else, not even with the token', async () => {
      const owner = await test.person()
      const organizationId = await createOrganization(owner)
      const { token } = (await invite(owner, organizationId, 'somebody@example.com')).json()
      const thief = await test.person()
      const stolen = await accept(thief, token)
      const invented = await accept(thief, 'no such token')
      expect(stolen.statusCode).toBe(404)
      expect(stolen.body).toBe(invented.body)
    })

    it('end after seven days, when withdrawn, and when replaced', async () => {
      const owner = await test.person()
      const organizationId = await createOrganization(owner)
      const guest = await test.person()
      const first = (await invite(owner, organizationId, guest.user.email)).json()
      const second = (await invite(owner, organizationId, guest.user.email)).json()
      expect((await accept(guest, first.token)).json().error.code).toBe('invitation_revoked')
      const path = `/api/orgs/${organizationId}/invitations`
      const open = (await call(owner, 'GET', path)).json().invitations
      expect(open.map((invitation: { id: string }) => invitation.id)).toEqual([second.id])
      expect((await call(owner, 'DELETE', `${path}/${second.id}`)).statusCode).toBe(200)
      expect((await call(owner, 'DELETE', `${path}/${second.id}`)).statusCode).toBe(404)
      expect((await accept(guest, second.token)).json().error.code).toBe('invitation_revoked')
      const third = (await invite(owner, organizationId, guest.user.email)).json()
      test.clock.advance(7 * 86_400_000)
      const fresh = await test.accounts.refresh(guest.refreshToken)
      const late = { ...guest, headers: { authorization: `Bearer ${fresh.accessToken}` } }
      expect((await accept(late, third.token)).json().error.code).toBe('invitation_expired')
    })

    it('are made and seen by admins only', async () => {
      const owner = await test.person()
      const organizationId = await createOrganization(owner)
      const member = await join(owner, organizationId, 'member')
      expect((await invite(member, organizationId, 'x@example.com')).statusCode).toBe(404)
      const path = `/api/orgs/${organizationId}/invitations`
      expect((await call(member, 'GET', path)).statusCode).toBe(404)
    })

    it('fall with their sender: a removed admin’s open invitations lead nowhere', async () => {
      const owner = await test.person()
      const organizationId = await createOrganization(owner)
      const admin = await join(owner, organizationId, 'admin')
      const guest = await test.person()
      const { token } = (await invite(admin, organizationId, guest.user.email)).json()
      const path = `/api/orgs/${organizationId}/members/${admin.user.id}`
      expect((await call(owner, 'DELETE', path)).statusCode).toBe(200)
      // The removed admin's role is still remembered for a moment; it must not be enough for a lasting invitation.
      expect((await invite(admin, organizationId, 'accomplice@example.com')).statusCode).toBe(404)
      expect((await accept(guest, token)).json().error.code).toBe('invitation_revoked')
    })

    it('store no token in clear', async () => {
      const owner = await test.person()
      const organizationId = await createOrganization(owner)
      const { token } = (await invite(owner, organizationId, 'clear@example.com')).json()
      const rows = await test.database.asSystem((trx) => trx.selectFrom('invitations').selectAll().execute())
      for (const row of rows)
        expect(JSON.stringify(row) + row.token_hash.toString('latin1')).not.toContain(token)
    })
  })
})
