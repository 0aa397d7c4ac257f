import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { z } from 'zod'
import { startTestApp, type TestApp } from '../../../test/support/app.ts'
import type { Instance, TestClient } from '../../../test/support/client.ts'
import { newId } from '../../ids.ts'
import type { alertsSchema, savedAlertWebhookSchema } from '../schemas/alerts.ts'
import type { budgetSchema, budgetsSchema } from '../schemas/budgets.ts'

type Budget = z.infer<typeof budgetSchema>

let app: TestApp
let owner: TestClient
let member: TestClient
let memberId: string
let instance: Instance
let organizationId: string

beforeAll(async () => {
  app = await startTestApp()
  owner = await app.person('owner@example.com')
  member = await app.person('member@example.com')
  instance = await owner.provision()
  organizationId = (await owner.call<{ organization: { id: string } }>('GET', '/api/me')).organization.id
  const { token } = await owner.call<{ token: string }>('POST', `/api/orgs/${organizationId}/invitations`, {
    email: 'member@example.com',
  })
  await member.call('POST', '/api/invitations/accept', { token })
  memberId = (await member.call<{ user: { id: string } }>('GET', '/api/me')).user.id
})
afterAll(() => app.end())

const path = '/api/credits/budgets'
/** As every error answers. */
const errorOf = async (answer: Response): Promise<{ code: string; field?: string }> =>
  ((await answer.json()) as { error: { code: string; field?: string } }).error
/** What a client's person does in the owner's organization. */
const within = (client: TestClient, method: string, url: string, body?: object) =>
  fetch(`${app.url}${url}`, {
    method,
    headers: {
      authorization: `Bearer ${client.tokens.accessToken}`,
      'reef-organization': organizationId,
      ...(body ? { 'content-type': 'application/json' } : {}),
    },
    ...(body ? { body: JSON.stringify(body) } : {}),
  })

describe('budgets', () => {
  it('are made, listed by name, changed and deleted by owners', async () => {
    const made = await owner.call<Budget>('POST', path, {
      scope: 'instance',
      subjectId: instance.id,
      period: 'day',
      limitMicros: 5_000_000,
    })
    expect(made).toMatchObject({ subjectName: instance.name, limitMicros: 5_000_000, spentMicros: 0 })
    expect(Date.parse(made.periodEnd) - Date.parse(made.periodStart)).toBe(86_400_000)
    await owner.call('POST', path, { scope: 'member', subjectId: memberId, period: 'month', limitMicros: 1 })
    expect(await owner.call('PUT', `${path}/${made.id}`, { limitMicros: 7_000_000 })).toMatchObject({
      id: made.id,
      limitMicros: 7_000_000,
    })
    await owner.call('DELETE', `${path}/${made.id}`)
    const { budgets } = await owner.call<z.infer<typeof budgetsSchema>>('GET', path)
    expect(budgets.map(({ scope, subjectId }) => [scope, subjectId])).toEqual([['member', memberId]])
    expect((await owner.raw('DELETE', `${path}/${made.id}`)).status).toBe(404)
  })

  it('are there once for each and period', async () => {
    const body = { scope: 'organization', period: 'day', limitMicros: 1_000_000_000 }
    await owner.call('POST', path, body)
    const again = await owner.raw('POST', path, body)
    expect([again.status, (await errorOf(again)).code]).toEqual([409, 'budget_exists'])
    await owner.call('POST', path, { ...body, period: 'month' })
  })

  it.each([
    [{ scope: 'organization', subjectId: newId(), period: 'day', limitMicros: 1 }, 'subjectId'],
    [{ scope: 'member', period: 'day', limitMicros: 1 }, 'subjectId'],
    [{ scope: 'member', subjectId: newId(), period: 'day', limitMicros: 1 }, 'subjectId'],
    [{ scope: 'instance', subjectId: newId(), period: 'day', limitMicros: 1 }, 'subjectId'],
    [{ scope: 'organization', period: 'week', limitMicros: 1 }, 'period'],
    [{ scope: 'organization', period: 'day', limitMicros: 0 }, 'limitMicros'],
    [{ scope: 'organization', period: 'day', limitMicros: 0.5 }, 'limitMicros'],
  ])('refuse %o and name the field', async (body, field) => {
    const answer = await owner.raw('POST', path, body)
    expect([answer.status, (await errorOf(answer)).field]).toEqual([400, field])
  })

  it('are none of a member’s business', async () => {
    for (const [method, url, body] of [
      ['GET', path],
      ['POST', path, { scope: 'organization', period: 'day', limitMicros: 1 }],
      ['GET', '/api/credits/alert-webhook'],
      ['PUT', '/api/credits/alert-webhook', { url: 'https://example.com/' }],
      ['POST', '/api/credits/alert-webhook/test'],
    ] as const)
      expect([method, url, (await within(member, method, url, body)).status]).toEqual([method, url, 404])
  })

  it('need the scope credits:write of a key', async () => {
    const keyWith = async (scopes: string[]) =>
      (await owner.call<{ key: string }>('POST', '/api/api-keys', { name: 'key', scopes })).key
    const send = async (key: string) =>
      (
        await fetch(`${app.url}${path}`, {
          method: 'POST',
          headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
          body: JSON.stringify({ scope: 'agent', subjectId: newId(), period: 'day', limitMicros: 1 }),
        })
      ).status
    expect(await send(await keyWith(['credits:read']))).toBe(404)
    expect(await send(await keyWith(['credits:write']))).toBe(201)
  })
})

describe('alerts', () => {
  it('are posted nowhere private', async () => {
    for (const url of [
      'https://127.0.0.1/',
      'https://[::1]/',
      'http://example.com/',
      'https://169.254.169.254/',
    ])
      expect([url, (await owner.raw('PUT', '/api/credits/alert-webhook', { url })).status]).toEqual([
        url,
        400,
      ])
  })

  it('say whether they are mailed, and are dismissed by each for themselves', async () => {
    await owner.call('POST', '/api/credits/alert-webhook/test')
    expect((await owner.raw('POST', '/api/credits/alert-webhook/test')).status).toBe(409)
    const list = () => owner.call<z.infer<typeof alertsSchema>>('GET', '/api/alerts')
    const { alerts, mail } = await list()
    expect(mail).toBe(false)
    const [test] = alerts.filter(({ kind }) => kind === 'test')
    await owner.call('POST', `/api/alerts/${test?.id}/dismiss`)
    expect((await list()).alerts.map(({ id }) => id)).not.toContain(test?.id)
    expect((await member.raw('POST', `/api/alerts/${test?.id}/dismiss`)).status).toBe(404)
  })

  it('are signed with a key that stays until it is rotated', async () => {
    const put = (rotateSecret: boolean) =>
      owner.call<z.infer<typeof savedAlertWebhookSchema>>('PUT', '/api/credits/alert-webhook', {
        url: 'https://alerts.example.com/',
        rotateSecret,
      })
    const { secret } = await put(false)
    expect(secret).toMatch(/^whsec_[\w-]{43}$/)
    expect((await put(false)).secret).toBe(secret)
    expect((await put(true)).secret).not.toBe(secret)
    expect(await (await owner.raw('GET', '/api/credits/alert-webhook')).text()).not.toContain('whsec_')
    await owner.call('DELETE', '/api/credits/alert-webhook')
    expect(await owner.call('GET', '/api/credits/alert-webhook')).toEqual({ webhook: null })
  })

  it('are never again signed with a key that was replaced or deleted', async () => {
    const put = async (rotateSecret: boolean) =>
      (
        await owner.call<z.infer<typeof savedAlertWebhookSchema>>('PUT', '/api/credits/alert-webhook', {
          url: 'https://alerts.example.com/',
          rotateSecret,
        })
      ).secret
    const remove = () => owner.call('DELETE', '/api/credits/alert-webhook')
    const secrets = [await put(false), await put(true)]
    await remove()
    secrets.push(await put(false), await put(true))
    await remove()
    secrets.push(await put(true))
    expect(new Set(secrets).size).toBe(5)
  })
})

it('somebody new has trial credits at once where no mail is sent, and nothing to confirm', async () => {
  const newcomer = await app.person('newcomer@example.com')
  expect(await newcomer.call('GET', '/api/credits')).toMatchObject({ availableMicros: 500_000_000 })
  expect(await newcomer.call('GET', '/api/me')).toMatchObject({ emailToConfirm: null })
})
