import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { z } from 'zod'
import { startTestApp, type TestApp } from '../../../test/support/app.ts'
import type { TestClient } from '../../../test/support/client.ts'
import type { currentPricesSchema, priceVersionsSchema } from '../schemas/prices.ts'

type Current = z.infer<typeof currentPricesSchema>
type Versions = z.infer<typeof priceVersionsSchema>

describe('prices over HTTP', () => {
  let app: TestApp
  let operator: TestClient
  let person: TestClient
  beforeAll(async () => {
    app = await startTestApp({ environment: { OPENAI_API_KEY: 'sk-test', REEF_MODEL: 'openai/gpt-odd' } })
    operator = await app.person('first@example.com')
    person = await app.person('second@example.com')
  })
  afterAll(() => app.end())

  const current = (who: TestClient) => who.call<Current>('GET', '/api/credits/prices')

  it('are seen by everybody who is signed in', async () => {
    const { version, prices } = await current(person)
    expect(version).toBe(1)
    expect(prices.models['demo/reef-demo']?.output).toBeGreaterThan(0)
    expect((await fetch(`${app.url}/api/credits/prices`)).status).toBe(401)
  })

  it('are published by operators only, who are told at start which models have none', async () => {
    expect(await app.notices()).toContainEqual(expect.stringContaining('openai/gpt-odd has no price'))
    const before = await operator.call<Versions>('GET', '/api/admin/prices')
    expect(before).toMatchObject({ currentVersion: 1, unpricedModels: ['openai/gpt-odd'] })
    const { prices } = await current(operator)
    const body = {
      prices: { ...prices, models: { ...prices.models, 'openai/gpt-odd': prices.models['demo/reef-demo'] } },
    }
    expect((await person.raw('POST', '/api/admin/prices', body)).status).toBe(404)
    const after = await operator.call<Versions>('POST', '/api/admin/prices', body)
    expect(after).toMatchObject({ currentVersion: 2, unpricedModels: [] })
    expect(after.versions.map(({ version }) => version)).toEqual([2, 1])
    expect((await current(person)).prices).toEqual(body.prices)
    expect(await app.notices()).not.toContainEqual(expect.stringContaining('openai/gpt-odd'))
  })

  it('are refused with the field that is wrong', async () => {
    const { prices } = await current(operator)
    const answer = await operator.raw('POST', '/api/admin/prices', {
      prices: { ...prices, egressPerGibibyte: -1 },
    })
    expect([answer.status, await answer.json()]).toMatchObject([
      400,
      { error: { field: 'prices.egressPerGibibyte' } },
    ])
    const past = await operator.raw('POST', '/api/admin/prices', {
      prices,
      effectiveFrom: '2020-01-01T00:00:00Z',
    })
    expect([past.status, await past.json()]).toMatchObject([400, { error: { field: 'effectiveFrom' } }])
  })
})
