import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTestAccounts, type TestAccounts, type TestPerson } from '../../../test/support/accounts.ts'
import { testSecret } from '../../../test/support/secret.ts'
import { systemClock } from '../../clock.ts'
import type { Database } from '../../db/database.ts'
import { newApiKey } from '../../domain/accounts/api-key-format.ts'
import { createAuthenticator } from '../../domain/accounts/authenticator.ts'
import { newId } from '../../ids.ts'

describe('API keys', () => {
  let test: TestAccounts
  let owner: TestPerson
  beforeAll(async () => {
    test = await createTestAccounts()
    owner = await test.person()
  })
  afterAll(() => test.close())

  const create = async (person: TestPerson, payload: object = {}, organizationId?: string) => {
    const response = await test.app.inject({
      method: 'POST',
      url: '/api/api-keys',
      payload: { name: 'laptop', ...payload },
      headers: { ...person.headers, ...(organizationId ? { 'reef-organization': organizationId } : {}) },
    })
    expect(response.statusCode).toBe(201)
    return response.json() as { id: string; key: string; hint: string; scopes: string[] }
  }
  const list = async (headers: Record<string, string>) => {
    const response = await test.app.inject({ url: '/api/api-keys', headers })
    expect(response.statusCode).toBe(200)
    return response.json().apiKeys as { id: string; lastUsedAt: string | null }[]
  }
  const revoke = (headers: Record<string, string>, id: string) =>
    test.app.inject({ method: 'DELETE', url: `/api/api-keys/${id}`, headers })
  const use = (key: string, organizationId?: string) =>
    test.authenticator.authenticate({ authorization: `Bearer ${key}`, organizationId })

  /** An organization of `owner` with `person` in it. */
  const organizationWith = async (person: TestPerson, role: string): Promise<string> => {
    const created = await test.app.inject({
      method: 'POST',
      url: '/api/orgs',
      payload: { name: 'Guild' },
      headers: owner.headers,
    })
    const organizationId = created.json().id as string
    const invited = await test.app.inject({
      method: 'POST',
      url: `/api/orgs/${organizationId}/invitations`,
      payload: { email: person.user.email, role },
      headers: owner.headers,
    })
    const accepted = await test.app.inject({
      method: 'POST',
      url: '/api/invitations/accept',
      payload: { token: invited.json().token },
      headers: person.headers,
    })
    expect(accepted.statusCode).toBe(200)
    return organizationId
  }

  it('act in their own organization, with their own scopes and their creator’s role', async () => {
    const { key, id } = await create(owner, { scopes: ['chat', 'instances:read', 'chat'] })
    const expected = {
      kind: 'apiKey',
      userId: owner.user.id,
      organizationId: owner.organizationId,
      role: 'owner',
      scopes: ['chat', 'instances:read'],
      familyId: null,
      apiKeyId: id,
    }
    expect(await use(key)).toEqual(expected)
    expect(await use(key, owner.organizationId)).toEqual(expected)
    const other = await test.person()
    for (const organizationId of [other.organizationId, newId(), 'x', ''])
      await expect(use(key, organizationId)).rejects.toMatchObject({ kind: 'notFound' })
  })

  it('are shown once and stored as a hash', async () => {
    const { key, hint } = await create(owner)
    const listed = await test.app.inject({ url: '/api/api-keys', headers: owner.headers })
    expect(listed.body).not.toContain(key)
    expect(listed.body).toContain(hint)
    const rows = await test.database.asSystem((trx) => trx.selectFrom('api_keys').selectAll().execute())
    for (const row of rows) {
      expect(row.key_hash).toHaveLength(32)
      expect(JSON.stringify(row) + row.key_hash.toString('latin1')).not.toContain(key)
    }
  })

  it('are told from mistyped ones without asking the database', async () => {
    // Any use of it throws a TypeError, which is no ReefError.
    const authenticator = createAuthenticator({
      database: {} as Database,
      secret: testSecret,
      clock: systemClock,
    })
    const key = newApiKey()
    for (const typo of [key.slice(0, -1), `${key}0`, 'oc_', `oc_${'0'.repeat(42)}`])
      await expect(
        authenticator.authenticate({ authorization: `Bearer ${typo}`, organizationId: undefined }),
      ).rejects.toMatchObject({ code: 'api_key_mistyped' })
    await expect(use(key)).rejects.toMatchObject({ code: 'api_key_invalid' })
  })

  it('stop within a second of being revoked', async () => {
    const { key, id } = await create(owner)
    await use(key)
    expect((await revoke(owner.headers, id)).statusCode).toBe(200)
    test.clock.advance(1000)
    await expect(use(key)).rejects.toMatchObject({ code: 'api_key_invalid' })
    expect((await list(owner.headers)).map((apiKey) => apiKey.id)).not.toContain(id)
    expect((await revoke(owner.headers, id)).statusCode).toBe(404)
  })

  it('stop at the moment they expire, cached or not', async () => {
    const { key } = await create(owner, { expiresInDays: 1 })
    test.clock.advance(86_400_000 - 1)
    await use(key)
    test.clock.advance(1)
    await expect(use(key)).rejects.toMatchObject({ code: 'api_key_invalid' })
    // The test's clock is a day ahead now, so the access token made before is of no use any more.
    owner = { ...owner, headers: { authorization: `Bearer ${(await refresh(owner)).accessToken}` } }
  })

  it('note their use at most once a minute', async () => {
    const { key, id } = await create(owner)
    const lastUsedAt = async () => (await list(owner.headers)).find((apiKey) => apiKey.id === id)?.lastUsedAt
    expect(await lastUsedAt()).toBeNull()
    await use(key)
    const first = await lastUsedAt()
    expect(first).toBe(test.clock.now().toISOString())
    test.clock.advance(59_000)
    await use(key)
    expect(await lastUsedAt()).toBe(first)
    test.clock.advance(1000)
    await use(key)
    expect(await lastUsedAt()).toBe(test.clock.now().toISOString())
  })

  it('fall with their creator’s role and end with their membership', async () => {
    const person = await test.person()
    const organizationId = await organizationWith(person, 'admin')
    const { key } = await create(person, { scopes: ['organization:write', 'chat'] }, organizationId)
    expect(await use(key)).toMatchObject({ role: 'admin', scopes: ['organization:write', 'chat'] })
    const member = `/api/orgs/${organizationId}/members/${person.user.id}`
    const demoted = await test.app.inject({
      method: 'PATCH',
      url: member,
      payload: { role: 'member' },
      headers: owner.headers,
    })
    expect(demoted.statusCode).toBe(200)
    test.clock.advance(1000)
    expect(await use(key)).toMatchObject({ role: 'member', scopes: ['chat'] })
    await test.app.inject({ method: 'DELETE', url: member, headers: owner.headers })
    test.clock.advance(1000)
    await expect(use(key)).rejects.toMatchObject({ code: 'api_key_invalid' })
  })

  it('are refused when only the membership is gone', async () => {
    const person = await test.person()
    const organizationId = await organizationWith(person, 'member')
    const { key } = await create(person, {}, organizationId)
    await test.database.asSystem((trx) =>
      trx
        .deleteFrom('members')
        .where('organization_id', '=', organizationId)
        .where('user_id', '=', person.user.id)
        .execute(),
    )
    await expect(use(key)).rejects.toMatchObject({ code: 'api_key_invalid' })
  })

  it('name no scope beyond their creator’s role', async () => {
    const person = await test.person()
    const organizationId = await organizationWith(person, 'member')
    const response = await test.app.inject({
      method: 'POST',
      url: '/api/api-keys',
      payload: { name: 'too much', scopes: ['chat', 'organization:write'] },
      headers: { ...person.headers, 'reef-organization': organizationId },
    })
    expect(response.statusCode).toBe(400)
    expect(response.json().error).toMatchObject({ code: 'invalid_input', field: 'scopes' })
  })

  it('cannot make or revoke keys, nor do what their scopes do not name', async () => {
    const { key, id } = await create(owner, { scopes: ['organization:read', 'organization:write'] })
    const headers = { authorization: `Bearer ${key}` }
    expect((await list(headers)).map((apiKey) => apiKey.id)).toContain(id)
    const made = await test.app.inject({
      method: 'POST',
      url: '/api/api-keys',
      payload: { name: 'child' },
      headers,
    })
    expect(made.statusCode).toBe(404)
    expect((await revoke(headers, id)).statusCode).toBe(404)
    const narrow = { authorization: `Bearer ${(await create(owner, { scopes: ['chat'] })).key}` }
    const path = `/api/orgs/${owner.organizationId}`
    for (const url of ['/api/api-keys', '/api/orgs', path, `${path}/members`, `${path}/invitations`])
      expect([url, (await test.app.inject({ url, headers: narrow })).statusCode]).toEqual([url, 404])
  })

  it('are seen and revoked by their creator and by admins, not by other members', async () => {
    const person = await test.person()
    const bystander = await test.person()
    const organizationId = await organizationWith(person, 'member')
    await test.database.asSystem((trx) =>
      trx
        .insertInto('members')
        .values({
          organization_id: organizationId,
          user_id: bystander.user.id,
          role: 'member',
          name: bystander.user.name,
          email: bystander.user.email,
        })
        .execute(),
    )
    const { id } = await create(person, {}, organizationId)
    const within = (who: TestPerson) => ({ ...who.headers, 'reef-organization': organizationId })
    expect(await list(within(bystander))).toEqual([])
    expect((await revoke(within(bystander), id)).statusCode).toBe(404)
    for (const who of [person, owner])
      expect((await list(within(who))).map((apiKey) => apiKey.id)).toEqual([id])
    expect((await revoke(owner.headers, id)).statusCode).toBe(404)
    expect((await revoke(within(owner), id)).statusCode).toBe(200)
  })

  it('answer an id of others and one of nobody alike', async () => {
    const stranger = await test.person()
    const { id } = await create(owner)
    const foreign = await revoke(stranger.headers, id)
    const missing = await revoke(stranger.headers, newId())
    expect(foreign.statusCode).toBe(404)
    expect(foreign.body).toBe(missing.body)
  })

  async function refresh(person: TestPerson) {
    return test.accounts.refresh(person.refreshToken)
  }
})
