import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { z } from 'zod'
import { startTestApp, type TestApp } from '../../../test/support/app.ts'
import type { TestClient } from '../../../test/support/client.ts'
import type { deniedDomainSchema, egressSchema } from '../schemas/egress.ts'

type Egress = z.infer<typeof egressSchema>

let app: TestApp
let owner: TestClient
let organization: string
let instance: string
let instanceId: string

beforeAll(async () => {
  app = await startTestApp()
  owner = await app.person('owner@example.com')
  const me = await owner.call<{ organization: { id: string } }>('GET', '/api/me')
  instanceId = (await owner.provision()).id
  organization = `/api/orgs/${me.organization.id}/egress`
  instance = `/api/instances/${instanceId}/egress`
})
afterAll(() => app.end())

const domainsOf = (egress: Egress) => egress.rules.map((rule) => rule.domain)
const refusal = async (method: string, path: string, body?: unknown) => {
  const answer = await owner.raw(method, path, body)
  const { error } = (await answer.json()) as { error: { code: string; message: string; field?: string } }
  return { status: answer.status, ...error }
}

describe('what instances may reach', () => {
  it('is nothing at first, and says whether the driver holds instances to it', async () => {
    const egress = await owner.call<Egress>('GET', instance)
    expect(egress).toMatchObject({ mode: 'allow_list', ownMode: null, rules: [], openPermitted: false })
    expect(egress.enforced).toBe(app.drivers.current.capabilities.egressControl)
    expect(egress.notice).toContain(egress.enforced ? 'reach nothing but' : 'cannot restrict')
  })

  it('is what the organization and the instance list, each its own to change', async () => {
    await owner.call('PUT', `${organization}/rules`, { domain: ' *.Example.COM. ' })
    const egress = await owner.call<Egress>('PUT', `${instance}/rules`, {
      domain: 'bücher.example',
      ports: [8443, 443],
    })
    expect(egress.rules.map(({ domain, ports, inherited }) => ({ domain, ports, inherited }))).toEqual([
      { domain: '*.example.com', ports: [], inherited: true },
      { domain: 'xn--bcher-kva.example', ports: [443, 8443], inherited: false },
    ])
    expect(domainsOf(await owner.call('GET', organization))).toEqual(['*.example.com'])
    expect((await refusal('DELETE', `${instance}/rules/${encodeURIComponent('*.example.com')}`)).status).toBe(
      404,
    )
    await owner.call('DELETE', `${organization}/rules/${encodeURIComponent('*.example.com')}`)
    const left = await owner.call<Egress>('DELETE', `${instance}/rules/xn--bcher-kva.example`)
    expect(left.rules).toEqual([])
  })

  it('takes the ports of the last rule for a domain', async () => {
    await owner.call('PUT', `${instance}/rules`, { domain: 'twice.example', ports: [22] })
    const egress = await owner.call<Egress>('PUT', `${instance}/rules`, {
      domain: 'twice.example',
      ports: [],
    })
    expect(egress.rules).toMatchObject([{ domain: 'twice.example', ports: [] }])
    await owner.call('DELETE', `${instance}/rules/twice.example`)
  })

  it('can be a preset, and an unknown one is answered with those that there are', async () => {
    const { presets } = await owner.call<{ presets: { id: string; domains: string[] }[] }>(
      'GET',
      '/api/egress/presets',
    )
    const github = presets.find((preset) => preset.id === 'github')
    const egress = await owner.call<Egress>('POST', `${instance}/presets/github`)
    expect(domainsOf(egress).sort()).toEqual([...(github?.domains ?? [])].sort())
    expect((await refusal('POST', `${instance}/presets/nowhere`)).message).toContain('npm')
  })

  it('cannot be everything unless the operator permits it', async () => {
    const refused = await refusal('PUT', organization, { mode: 'open' })
    expect(refused).toMatchObject({ status: 409, code: 'egress_open_not_permitted' })
    expect(refused.message).toContain('REEF_EGRESS_OPEN=1')
    expect((await owner.call<Egress>('PUT', instance, { mode: 'allow_list' })).ownMode).toBe('allow_list')
    expect((await owner.call<Egress>('PUT', instance, { mode: null })).ownMode).toBeNull()
  })

  it.each([
    ['https://example.com/path', 'without https://'],
    ['example.com:8443', 'ports go into ports'],
    ['user@example.com', 'Write the name alone'],
    ['10.0.0.1', 'Addresses cannot be allowed'],
    ['0x7f.1', 'Addresses cannot be allowed'],
    ['example.com.0x1', 'no domain name'],
    ['2130706433', 'Addresses cannot be allowed'],
    ['com', 'no domain name'],
    ['*.com', 'no domain name'],
    ['*.co.uk', 'everybody’s names'],
    ['a.*.example.com', 'only at the front'],
    ['*', 'only at the front'],
    ['exa mple.com', 'Write the name alone'],
    ['example..com', 'no domain name'],
    ['ex\u0000ample.com', 'no domain name'],
  ])('refuses %j, naming the field and the remedy', async (domain, remedy) => {
    const refused = await refusal('PUT', `${instance}/rules`, { domain })
    expect(refused).toMatchObject({ status: 400, field: 'domain' })
    expect(refused.message).toContain(remedy)
  })

  it('is full at 200 domains', async () => {
    const lists = app.database
    await lists.asSystem(async (trx) => {
      const { organization_id } = await trx
        .selectFrom('instances')
        .select('organization_id')
        .where('id', '=', instanceId)
        .executeTakeFirstOrThrow()
      const { newId } = await import('../../ids.ts')
      await trx
        .insertInto('egress_rules')
        .values(
          Array.from({ length: 200 }, (_, index) => ({
            id: newId(),
            organization_id,
            instance_id: null,
            domain: `n${index}.example`,
            created_by: null,
          })),
        )
        .execute()
    })
    expect(await refusal('PUT', `${organization}/rules`, { domain: 'one.more.example' })).toMatchObject({
      status: 409,
      code: 'egress_rules_full',
    })
    await lists.asSystem((trx) => trx.deleteFrom('egress_rules').execute())
  })
})

describe('what an instance was refused', () => {
  it('is shown by domain with the latest first, and allowed in one step with the ports it asked for', async () => {
    await app.database.asSystem(async (trx) => {
      const { organization_id } = await trx
        .selectFrom('instances')
        .select('organization_id')
        .where('id', '=', instanceId)
        .executeTakeFirstOrThrow()
      const row = (host: string, port: number, reason: string, minutesAgo: number) => ({
        organization_id,
        instance_id: instanceId,
        at: new Date(Date.now() - minutesAgo * 60_000),
        host,
        port,
        reason,
        attempts: 2,
      })
      await trx
        .insertInto('egress_denied')
        .values([
          row('api.example.com', 443, 'not_listed', 2),
          row('api.example.com', 8443, 'not_listed', 1),
          row('10.0.0.1', 80, 'address', 3),
          row('old.example.com', 443, 'not_listed', 60 * 25),
        ])
        .execute()
    })
    const { denied } = await owner.call<{ denied: z.infer<typeof deniedDomainSchema>[] }>(
      'GET',
      `${instance}/denied`,
    )
    expect(
      denied.map(({ host, ports, attempts, canAllow }) => ({ host, ports, attempts, canAllow })),
    ).toEqual([
      { host: 'api.example.com', ports: [443, 8443], attempts: 4, canAllow: true },
      { host: '10.0.0.1', ports: [80], attempts: 2, canAllow: false },
    ])
    const egress = await owner.call<Egress>('POST', `${instance}/denied/api.example.com/allow`)
    expect(egress.rules).toMatchObject([{ domain: 'api.example.com', ports: [80, 443, 8443] }])
    expect((await refusal('POST', `${instance}/denied/10.0.0.1/allow`)).field).toBe('domain')
    // What the rule allows already stays allowed.
    await owner.call('PUT', `${instance}/rules`, { domain: 'api.example.com', ports: [22] })
    const again = await owner.call<Egress>('POST', `${instance}/denied/api.example.com/allow`)
    expect(again.rules).toMatchObject([{ domain: 'api.example.com', ports: [22, 443, 8443] }])
  })
})

it('a member of an organization reads its list and does not write it', async () => {
  const member = await app.person('member@example.com')
  const id = organization.split('/')[3]
  const invitation = await owner.call<Record<string, string>>('POST', `/api/orgs/${id}/invitations`, {
    email: 'member@example.com',
    role: 'member',
  })
  const token = invitation.token ?? new URL(invitation.url ?? '').searchParams.get('token')
  await member.call('POST', '/api/invitations/accept', { token })
  expect((await member.raw('GET', organization)).status).toBe(200)
  expect((await member.raw('PUT', `${organization}/rules`, { domain: 'example.com' })).status).toBe(404)
  expect((await member.raw('GET', instance)).status).toBe(404)
})
