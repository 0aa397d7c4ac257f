import { request } from 'node:http'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { z } from 'zod'
import { startTestApp, type TestApp } from '../../../test/support/app.ts'
import type { Instance, TestClient } from '../../../test/support/client.ts'
import { eventually } from '../../../test/support/eventually.ts'
import { newId } from '../../ids.ts'
import { loadDesiredFacts } from '../../link/desired.ts'
import type { domainSchema, domainsSchema } from '../schemas/domains.ts'

type Domain = z.infer<typeof domainSchema>

const txt = new Map<string, string>()
const cname = new Map<string, string>()
let app: TestApp
let ann: TestClient
let bob: TestClient
let annsInstance: Instance
let bobsInstance: Instance
let count = 0
let hostname: string

beforeAll(async () => {
  const listed = (records: Map<string, string>) => async (name: string) => {
    const value = records.get(name)
    if (value === 'SERVFAIL') throw Object.assign(new Error('no'), { code: 'ESERVFAIL' })
    return value === undefined ? [] : [value]
  }
  app = await startTestApp({
    resolver: { txt: listed(txt), cname: listed(cname), addresses: async () => [] },
  })
  ann = await app.person('ann@example.com')
  bob = await app.person('bob@example.com')
  annsInstance = await ann.provision()
  bobsInstance = await bob.provision()
})
afterAll(() => app.end())
beforeEach(() => {
  count += 1
  hostname = `claw${count}.ada.dev`
})

const at = (instance: Instance): string => `/api/instances/${instance.id}/domains`
const add = (client: TestClient, instance: Instance): Promise<Domain> =>
  client.call<Domain>('POST', at(instance), { domain: hostname })

/** Looks at once, however short ago the last look was. */
async function check(client: TestClient, instance: Instance, domain: Domain): Promise<Domain> {
  await app.database.asSystem((trx) =>
    trx.updateTable('domains').set({ checked_at: null }).where('id', '=', domain.id).execute(),
  )
  return client.call<Domain>('POST', `${at(instance)}/${domain.id}/check`)
}

function prove(domain: Domain): void {
  const [record] = domain.records
  txt.set(record?.name as string, record?.value as string)
}

/** What the proxy says to a visitor of a name. */
function visit(path = '/', headers: Record<string, string> = {}) {
  return new Promise<{ status: number; headers: Record<string, unknown> }>((done, fail) =>
    request(`${app.proxyUrl}${path}`, { headers: { host: hostname, ...headers } }, (answer) => {
      answer.resume()
      done({ status: answer.statusCode ?? 0, headers: answer.headers })
    })
      .once('error', fail)
      .end(),
  )
}

const originsOf = (instance: Instance) =>
  app.database.asSystem(async (trx) => {
    const slot = await trx
      .selectFrom('slots')
      .select('id')
      .where('instance_id', '=', instance.id)
      .executeTakeFirstOrThrow()
    return (await loadDesiredFacts(trx, [slot.id])).get(slot.id)?.instance?.hostnames ?? []
  })

test('a domain leads nowhere until it is proven, then to its instance, and after its removal nowhere again', async () => {
  const domain = await add(ann, annsInstance)
  expect(domain).toMatchObject({ domain: hostname, state: 'pending', verifiedAt: null })
  expect(domain.records).toEqual([
    { type: 'TXT', name: `_reef.${hostname}`, value: expect.stringMatching(/^reef-verify=[0-9a-f]{32}$/) },
    { type: 'CNAME', name: hostname, value: `${annsInstance.slug}.localhost` },
  ])
  expect((await visit()).status).toBe(421)
  expect((await check(ann, annsInstance, domain)).problem).toMatch(/TXT record is not there yet/)

  prove(domain)
  expect(await check(ann, annsInstance, domain)).toMatchObject({ state: 'verified' })
  await eventually(async () => expect((await visit()).status).toBe(401))
  expect(await originsOf(annsInstance)).toContain(hostname)

  await ann.call('DELETE', `${at(annsInstance)}/${domain.id}`)
  await eventually(async () => expect((await visit()).status).toBe(421))
  expect(await originsOf(annsInstance)).not.toContain(hostname)
})

test('a one-time link leads to a verified domain, and its cookie is for that name', async () => {
  const domain = await add(ann, annsInstance)
  const ask = () => ann.raw('POST', `/api/instances/${annsInstance.id}/visit`, { domain: hostname })
  expect((await ask()).status).toBe(400)
  prove(domain)
  await check(ann, annsInstance, domain)
  const { url } = (await (await ask()).json()) as { url: string }
  expect(new URL(url).hostname).toBe(hostname)
  const { pathname, search } = new URL(url)
  const entered = await eventually(async () => {
    const answer = await visit(pathname + search)
    expect(answer.status).toBe(303)
    return answer
  })
  const [cookie = ''] = entered.headers['set-cookie'] as string[]
  expect(cookie).not.toMatch(/domain=/i)
  expect((await visit('/', { cookie: cookie.split(';', 1)[0] as string })).status).not.toBe(401)
})

test('a name belongs to whoever proves it, however long somebody else has asked for it', async () => {
  const squatted = await add(bob, bobsInstance)
  const domain = await add(ann, annsInstance)
  prove(domain)
  expect(await check(ann, annsInstance, domain)).toMatchObject({ state: 'verified' })
  expect(await check(bob, bobsInstance, squatted)).toMatchObject({ state: 'pending' })
})

test('a domain that changed hands moves with its proof, and not before the old one is gone', async () => {
  const before = await add(ann, annsInstance)
  prove(before)
  await check(ann, annsInstance, before)
  const after = await add(bob, bobsInstance)
  // The holder's proof stays beside the newcomer's: the name stays too.
  cname.set(hostname, `${bobsInstance.slug}.localhost`)
  const waiting = await check(bob, bobsInstance, after)
  expect(waiting).toMatchObject({ state: 'pending', problem: expect.stringMatching(/Another instance has/) })
  // A DNS that is silent takes nothing away.
  txt.set(`_reef.${hostname}`, 'SERVFAIL')
  expect((await check(bob, bobsInstance, after)).state).toBe('pending')
  txt.delete(`_reef.${hostname}`)
  expect((await check(bob, bobsInstance, after)).state).toBe('verified')
  const { domains } = await ann.call<z.infer<typeof domainsSchema>>('GET', at(annsInstance))
  expect(domains.find(({ id }) => id === before.id)?.state).toBe('failed')
})

test('of two who prove one name at the same moment one gets it', async () => {
  const [one, two] = [await add(ann, annsInstance), await add(bob, bobsInstance)]
  prove(one)
  cname.set(hostname, `${bobsInstance.slug}.localhost`)
  const checked = await Promise.all([check(ann, annsInstance, one), check(bob, bobsInstance, two)])
  expect(checked.filter(({ state }) => state === 'verified')).toHaveLength(1)
})

test('what is no domain, and what is Reef’s own, is refused with the reason', async () => {
  for (const [domain, reason] of [
    ['https://x.dev', /bare name/],
    ['x.localhost', /Reef’s own|cannot be reached/],
    ['co.uk', /registry/],
  ] as const) {
    const answer = await ann.raw('POST', at(annsInstance), { domain })
    expect(answer.status).toBe(400)
    expect(await answer.text()).toMatch(reason)
  }
})

test('looks at the DNS cannot be hurried', async () => {
  const domain = await add(ann, annsInstance)
  await check(ann, annsInstance, domain)
  const answer = await ann.raw('POST', `${at(annsInstance)}/${domain.id}/check`)
  expect(answer.status).toBe(429)
  expect(answer.headers.get('retry-after')).toBe('5')
})

test('an outsider gets the same answer for what is foreign and what is missing', async () => {
  const { id } = await add(ann, annsInstance)
  for (const [method, path, body] of [
    ['GET', ''],
    ['POST', '', { domain: 'not a domain' }],
    ['POST', `/${id}/check`],
    ['DELETE', `/${id}`],
  ] as const) {
    const texts: string[] = []
    for (const instanceId of [annsInstance.id, newId()]) {
      const answer = await bob.raw(method, `/api/instances/${instanceId}/domains${path}`, body)
      expect([method, path, answer.status]).toEqual([method, path, 404])
      texts.push(await answer.text())
    }
    expect(texts[0]).toBe(texts[1])
  }
})

test('an instance’s domains end with it', async () => {
  const domain = await add(bob, bobsInstance)
  prove(domain)
  await check(bob, bobsInstance, domain)
  await bob.call('DELETE', `/api/instances/${bobsInstance.id}`)
  await eventually(async () => expect((await visit()).status).toBe(421))
})
