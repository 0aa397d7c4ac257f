import { afterAll, beforeAll, expect, test } from 'vitest'
import type { z } from 'zod'
import { startTestApp, type TestApp } from '../../../test/support/app.ts'
import type { Instance, TestClient } from '../../../test/support/client.ts'
import { newId } from '../../ids.ts'
import type { secretEventsSchema, secretSchema, secretsSchema } from '../schemas/secrets.ts'

type Secret = z.infer<typeof secretSchema>

let app: TestApp
let owner: TestClient
let stranger: TestClient
let instance: Instance
let organizationId: string

beforeAll(async () => {
  app = await startTestApp()
  owner = await app.person('owner@example.com')
  stranger = await app.person('stranger@example.com')
  instance = await owner.provision()
  const me = await owner.call<{ organization: { id: string } }>('GET', '/api/me')
  organizationId = me.organization.id
})
afterAll(() => app.end())

const at = (name = '') => `/api/instances/${instance.id}/secrets${name && `/${name}`}`
const list = async (client: TestClient) =>
  (await client.call<z.infer<typeof secretsSchema>>('GET', at())).secrets

test('a secret shows everything of itself but its value', async () => {
  const made = await owner.call<Secret>('PUT', at('API_TOKEN'), { value: 'the first value' })
  expect(made).toMatchObject({
    name: 'API_TOKEN',
    scope: 'instance',
    version: 1,
    sizeBytes: 15,
    exposeToTools: false,
    overridden: false,
    lastUsedAt: null,
  })
  const rotated = await owner.call<Secret>('PUT', at('API_TOKEN'), {
    value: 'the second value',
    exposeToTools: true,
  })
  expect(rotated).toMatchObject({ id: made.id, version: 2, exposeToTools: true })
  expect(rotated.fingerprint).not.toBe(made.fingerprint)
  const back = await owner.call<Secret>('PUT', at('API_TOKEN'), { value: 'the first value' })
  expect(back).toMatchObject({ version: 3, fingerprint: made.fingerprint, exposeToTools: true })
  for (const path of [at(), at('audit'), `/api/orgs/${organizationId}/secrets/audit`]) {
    const text = await (await owner.raw('GET', path)).text()
    expect(text, path).toContain('API_TOKEN')
    expect(text, path).not.toMatch(/the (first|second) value|reef1\./)
  }
})

test.each([
  ['lowercase', { value: 'x' }, /capital letters/],
  ['1TOKEN', { value: 'x' }, /capital letters/],
  ['LD_PRELOAD', { value: 'x' }, /a meaning of its own/],
  ['TOKEN', { value: '' }, /is empty/],
  ['TOKEN', { value: 'x'.repeat(16 * 1024 + 1) }, /larger than 16 KiB/],
  ['TOKEN', { value: 'a\0b' }, /no text/],
])('%s is refused with the reason', async (name, body, reason) => {
  const answer = await owner.raw('PUT', at(name), body)
  expect(answer.status).toBe(400)
  expect(await answer.text()).toMatch(reason)
})

test('one scope holds no more than fits the link', async () => {
  const value = 'x'.repeat(16 * 1024)
  for (const name of ['LARGE_1', 'LARGE_2']) await owner.call('PUT', at(name), { value })
  const answer = await owner.raw('PUT', at('LARGE_3'), { value })
  expect(answer.status).toBe(409)
  expect(await answer.json()).toMatchObject({ error: { code: 'secrets_full' } })
  for (const name of ['LARGE_1', 'LARGE_2']) await owner.call('DELETE', at(name))
})

test('a session’s secret goes with its session', async () => {
  await owner.call('PUT', at('TEMPORARY'), { value: 'for today', scope: 'session' })
  expect((await list(owner)).map(({ name, scope }) => [name, scope])).toContainEqual(['TEMPORARY', 'session'])
  await owner.call('POST', `/api/instances/${instance.id}/stop`)
  await owner.untilInstance(({ status }) => status === 'stopped', 'stopped')
  expect((await list(owner)).map(({ name }) => name)).not.toContain('TEMPORARY')
  const answer = await owner.raw('PUT', at('TEMPORARY'), { value: 'x', scope: 'session' })
  expect(await answer.json()).toMatchObject({ error: { code: 'no_open_session' } })
})

test('an outsider gets the same answer for what is foreign and what is missing', async () => {
  const missing = newId()
  for (const [method, path, body] of [
    ['GET', 'instances/ID/secrets'],
    ['GET', 'instances/ID/secrets/audit'],
    ['PUT', 'instances/ID/secrets/API_TOKEN', { value: 'x' }],
    ['PUT', 'instances/ID/secrets/no-name', { value: '' }],
    ['DELETE', 'instances/ID/secrets/API_TOKEN'],
    ['GET', 'orgs/ID/secrets'],
    ['GET', 'orgs/ID/secrets/audit'],
    ['PUT', 'orgs/ID/secrets/API_TOKEN', { value: 'x' }],
    ['DELETE', 'orgs/ID/secrets/API_TOKEN'],
  ] as const) {
    const foreign = path.startsWith('orgs') ? organizationId : instance.id
    const answers = await Promise.all(
      [foreign, missing].map((id) => stranger.raw(method, `/api/${path.replace('ID', id)}`, body)),
    )
    expect([method, path, ...answers.map(({ status }) => status)]).toEqual([method, path, 404, 404])
    const texts = await Promise.all(answers.map((answer) => answer.text()))
    expect(texts[0]).toBe(texts[1])
  }
})

test('a key that may only read makes no secrets, and sees their names only', async () => {
  const { key } = await owner.call<{ key: string }>('POST', '/api/api-keys', {
    name: 'reader',
    scopes: ['instances:read'],
  })
  const as = (method: string, body?: object) =>
    fetch(app.url + (method === 'GET' ? at() : at('API_TOKEN')), {
      method,
      headers: { authorization: `Bearer ${key}`, ...(body ? { 'content-type': 'application/json' } : {}) },
      ...(body ? { body: JSON.stringify(body) } : {}),
    })
  expect((await as('GET')).status).toBe(200)
  expect((await as('PUT', { value: 'x' })).status).toBe(404)
  expect((await as('DELETE')).status).toBe(404)
})

test('an instance’s secrets end with it, and what was done with them stays known', async () => {
  await owner.call('DELETE', `/api/instances/${instance.id}`)
  const { events } = await owner.call<z.infer<typeof secretEventsSchema>>(
    'GET',
    `/api/orgs/${organizationId}/secrets/audit`,
  )
  expect(events[0]).toMatchObject({ kind: 'ended', name: 'API_TOKEN', version: 3 })
  const left = await app.database.asSystem((trx) =>
    trx.selectFrom('secrets').select('name').where('instance_id', '=', instance.id).execute(),
  )
  expect(left).toEqual([])
})
