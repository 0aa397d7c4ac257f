import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTestAccounts, type TestAccounts } from '../../../test/support/accounts.ts'

describe('accounts', () => {
  let test: TestAccounts
  beforeAll(async () => {
    test = await createTestAccounts()
  })
  afterAll(() => test.close())

  it('tell a person who they are, where they act and where else they could', async () => {
    const person = await test.person('Grace Hopper')
    const created = await test.app.inject({
      method: 'POST',
      url: '/api/orgs',
      payload: { name: 'Navy' },
      headers: person.headers,
    })
    const organizationId = created.json().id as string
    const at = (id: string | undefined) =>
      test.authenticator.authenticate({ ...person.headers, organizationId: id }).then(test.accounts.getMe)
    const home = await at(undefined)
    expect(home.user).toEqual(person.user)
    expect(home.organization).toMatchObject({ id: person.organizationId, personal: true, role: 'owner' })
    expect(home.organizations.map((organization) => organization.name)).toEqual(['Grace Hopper', 'Navy'])
    expect((await at(organizationId)).organization).toMatchObject({ id: organizationId, personal: false })
  })

  it('tell an API key its own organization only, whatever its scopes', async () => {
    const person = await test.person('Grace Hopper')
    await test.app.inject({
      method: 'POST',
      url: '/api/orgs',
      payload: { name: 'Navy' },
      headers: person.headers,
    })
    const made = await test.app.inject({
      method: 'POST',
      url: '/api/api-keys',
      payload: { name: 'key', scopes: ['chat'] },
      headers: person.headers,
    })
    const principal = await test.authenticator.authenticate({
      authorization: `Bearer ${made.json().key}`,
      organizationId: undefined,
    })
    const me = await test.accounts.getMe(principal)
    expect(me.user).toEqual(person.user)
    expect(me.organizations.map((organization) => organization.id)).toEqual([person.organizationId])
  })

  it('leave nothing of a sign-up that failed half way', async () => {
    const input = { email: 'half@example.com', password: 'correct horse battery', name: 'Half' }
    // A name that the table of organizations refuses, after the person has been written.
    await expect(test.accounts.signUp({ ...input, name: 'x'.repeat(101) })).rejects.toThrow()
    await expect(test.accounts.logIn(input)).rejects.toMatchObject({ code: 'wrong_credentials' })
    expect((await test.accounts.signUp(input)).user.email).toBe(input.email)
  })
})
