import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestApp, type TestApp } from '../../../test/support/app.ts'
import type { TestClient } from '../../../test/support/client.ts'

let app: TestApp
let operator: TestClient
let stranger: TestClient
beforeAll(async () => {
  app = await startTestApp()
  operator = await app.person('first@example.com')
  stranger = await app.person('second@example.com')
})
afterAll(() => app.end())

test('only operators drain hosts, and others cannot tell that there are any', async () => {
  const nowhere = await (await stranger.raw('GET', '/api/nowhere')).text()
  const answer = await stranger.raw('PUT', '/api/admin/hosts/local', { state: 'draining' })
  expect([answer.status, await answer.text()]).toEqual([404, nowhere])
})

test('a state that there is not is refused, and so is a host of a driver without any', async () => {
  expect((await operator.raw('PUT', '/api/admin/hosts/local', { state: 'gone' })).status).toBe(400)
  const answer = await operator.raw('PUT', '/api/admin/hosts/local', { state: 'draining' })
  expect([404, 503]).toContain(answer.status)
})
