import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTestApp, type TestApp } from '../../../test/support/app.ts'
import type { Me, TestClient } from '../../../test/support/client.ts'

interface Overview {
  pool: { wanted: number; available: number; booting: number }
  instances: { status: string; count: number }[]
  controlPlanes: object[]
  queue: { instanceName: string | null }[]
}
interface Operators {
  operators: { userId: string; email: string }[]
}

describe('operating a Reef', () => {
  let app: TestApp
  let first: TestClient
  let second: TestClient
  beforeAll(async () => {
    app = await startTestApp()
    first = await app.person('first@example.com')
    second = await app.person('second@example.com')
  })
  afterAll(() => app.end())

  const isOperator = async (person: TestClient) => (await person.call<Me>('GET', '/api/me')).operator
  const emails = (answer: Operators) => answer.operators.map((operator) => operator.email)
  const idOf = async (person: TestClient) => (await person.call<Me>('GET', '/api/me')).user.id

  it('is for whoever signed up first, and nobody else can tell that the pages exist', async () => {
    expect([await isOperator(first), await isOperator(second)]).toEqual([true, false])
    const nowhere = await (await second.raw('GET', '/api/nowhere')).text()
    for (const [method, path, body] of [
      ['GET', '/api/admin/overview'],
      ['GET', '/api/admin/operators'],
      ['POST', '/api/admin/operators', { email: 'second@example.com' }],
      ['DELETE', `/api/admin/operators/${await idOf(first)}`],
    ] as const) {
      const answer = await second.raw(method, path, body)
      expect([path, answer.status, await answer.text()]).toEqual([path, 404, nowhere])
    }
  })

  it('is done in person: a key of an operator is refused like a stranger', async () => {
    const { key } = await first.call<{ key: string }>('POST', '/api/api-keys', { name: 'key' })
    const headers = { authorization: `Bearer ${key}` }
    expect((await fetch(`${app.url}/api/admin/overview`, { headers })).status).toBe(404)
  })

  it('shows pool, instances, control planes and queue of every tenant', async () => {
    await second.provision()
    const overview = await first.call<Overview>('GET', '/api/admin/overview')
    expect(overview.pool.wanted).toBe(2)
    expect(overview.instances).toEqual([{ status: 'running', count: 1 }])
    expect(overview.controlPlanes).toHaveLength(1)
    expect(overview.queue).toEqual([])
  })

  it('can be shared with somebody who has signed up, and given up by all but the last', async () => {
    const unknown = await first.raw('POST', '/api/admin/operators', { email: 'nobody@example.com' })
    expect([unknown.status, await unknown.json()]).toMatchObject([400, { error: { field: 'email' } }])
    const two = await first.call<Operators>('POST', '/api/admin/operators', { email: 'Second@example.com' })
    expect(emails(two)).toEqual(['first@example.com', 'second@example.com'])
    expect(await isOperator(second)).toBe(true)

    const one = await second.call<Operators>('DELETE', `/api/admin/operators/${await idOf(first)}`)
    expect(emails(one)).toEqual(['second@example.com'])
    expect((await first.raw('GET', '/api/admin/overview')).status).toBe(404)
    const last = await second.raw('DELETE', `/api/admin/operators/${await idOf(second)}`)
    expect([last.status, await last.json()]).toMatchObject([409, { error: { code: 'last_operator' } }])
  })

  it('falls to exactly one of many who sign up at once', async () => {
    const fresh = await startTestApp()
    const people = await Promise.all(Array.from({ length: 8 }, (_, at) => fresh.person(`p${at}@example.com`)))
    const flags = await Promise.all(people.map(isOperator))
    expect(flags.filter(Boolean)).toHaveLength(1)
    await fresh.end()
  })
})
