import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { z } from 'zod'
import { startTestApp, type TestApp } from '../../../test/support/app.ts'
import type { Me, TestClient } from '../../../test/support/client.ts'
import { insertInstance, insertUser } from '../../../test/support/rows.ts'
import { newId } from '../../ids.ts'
import type { usageSchema } from '../schemas/usage.ts'

type Usage = z.infer<typeof usageSchema>

let app: TestApp
let owner: TestClient
let stranger: TestClient
/** Of the organization of `owner`. */
let member: { userId: string; authorization: string }
let organizationId: string
let ownerId: string
let slotId: string
let instances: { mine: string; theirs: string }

beforeAll(async () => {
  app = await startTestApp()
  owner = await app.person('owner@example.com')
  stranger = await app.person('stranger@example.com')
  const me = await owner.call<Me>('GET', '/api/me')
  ownerId = me.user.id
  organizationId = me.organization.id
  const other = await app.person('member@example.com')
  const otherId = (await other.call<Me>('GET', '/api/me')).user.id
  member = { userId: otherId, authorization: `Bearer ${other.tokens.accessToken}` }
  await app.database.asSystem((trx) =>
    trx
      .insertInto('members')
      .values({
        organization_id: organizationId,
        user_id: otherId,
        role: 'member',
        name: 'Member',
        email: 'member@example.com',
      })
      .execute(),
  )
  // For a slot that calls can be said to have come from.
  await stranger.provision()
  slotId = (
    await app.database.asSystem((trx) => trx.selectFrom('slots').select('id').executeTakeFirstOrThrow())
  ).id
  instances = {
    mine: (await insertInstance(app.database, { organizationId, userId: ownerId })).instanceId,
    theirs: (await insertInstance(app.database, { organizationId, userId: otherId })).instanceId,
  }
  await addCall({ at: '2026-03-01T23:59:59.999Z', cost: 5, tokens: [100, 40, 7] })
  await addCall({ at: '2026-03-02T00:00:00.000Z', cost: 7, tokens: [10, 0, 3] })
  await addCall({ at: '2026-03-02T10:00:00.000Z', cost: 11, mine: false, model: 'other' })
  await addCall({ at: '2026-03-02T10:00:01.000Z', cost: null, pending: true })
  await addRuntime({ end: '2026-03-02T00:00:00.000Z', state: 'running', milliseconds: 60_500, cost: 13 })
  await addRuntime({
    end: '2026-03-02T00:05:00.000Z',
    state: 'suspended',
    milliseconds: 1_000,
    cost: 17,
    mine: false,
  })
})
afterAll(() => app.end())

async function addCall(call: {
  at: string
  cost: number | null
  tokens?: [input: number, cached: number, output: number]
  mine?: boolean
  model?: string
  pending?: boolean
}): Promise<void> {
  const { mine = true, tokens = [0, 0, 0] } = call
  await app.database.asSystem((trx) =>
    trx
      .insertInto('model_calls')
      .values({
        id: newId(),
        organization_id: organizationId,
        user_id: mine ? ownerId : member.userId,
        instance_id: mine ? instances.mine : instances.theirs,
        slot_id: slotId,
        provider: 'demo',
        model: call.model ?? 'reef-demo',
        protocol: 'chat_completions',
        streamed: true,
        outcome: call.pending ? 'pending' : 'succeeded',
        input_tokens: tokens[0],
        cached_input_tokens: tokens[1],
        output_tokens: tokens[2],
        cost: call.cost,
        started_at: new Date(call.at),
      })
      .execute(),
  )
}

async function addRuntime(window: {
  end: string
  state: 'running' | 'suspended'
  milliseconds: number
  cost: number
  mine?: boolean
}): Promise<void> {
  const { mine = true } = window
  const end = new Date(window.end)
  await app.database.asSystem((trx) =>
    trx
      .insertInto('runtime_usage')
      .values({
        id: newId(),
        organization_id: organizationId,
        instance_id: mine ? instances.mine : instances.theirs,
        session_id: null,
        user_id: mine ? ownerId : member.userId,
        agent_id: null,
        task_id: null,
        plan: 'free',
        state: window.state,
        window_start: new Date(end.getTime() - window.milliseconds),
        window_end: end,
        milliseconds: window.milliseconds,
        price_version: 1,
        cost: window.cost,
      })
      .execute(),
  )
}

const range = 'from=2026-03-01&to=2026-03-03'
const usage = (query: string) => owner.call<Usage>('GET', `/api/usage?${range}&${query}`)
const refused = async (query: string) => {
  const answer = await owner.raw('GET', `/api/usage?${query}`)
  return {
    status: answer.status,
    ...((await answer.json()) as { error: { field: string; message: string } }).error,
  }
}

describe('usage', () => {
  it('by day counts each call on the day that it began in UTC, and a window on the day that it ended', async () => {
    const { rows, total } = await usage('by=day')
    expect(rows).toMatchObject([
      {
        day: '2026-03-01',
        calls: 1,
        inputTokens: 100,
        cachedInputTokens: 40,
        outputTokens: 7,
        runningSeconds: 60.5,
      },
      { day: '2026-03-02', calls: 2, modelCostMicros: 18, runtimeCostMicros: 17, suspendedSeconds: 1 },
    ])
    expect(total).toMatchObject({ calls: 3, costMicros: 53, modelCostMicros: 23, runtimeCostMicros: 30 })
  })

  it('by model has what instances cost by running in a group without a model', async () => {
    const { rows } = await usage('by=model')
    expect(rows.map(({ model, costMicros }) => [model, costMicros])).toEqual([
      [null, 30],
      ['demo/reef-demo', 12],
      ['demo/other', 11],
    ])
  })

  it('by instance and by member says their names', async () => {
    const byInstance = await usage('by=instance')
    expect(byInstance.rows.map(({ instance, costMicros }) => [instance, costMicros])).toEqual([
      [{ id: instances.theirs, name: 'Test' }, 28],
      [{ id: instances.mine, name: 'Test' }, 25],
    ])
    const byMember = await usage('by=member')
    expect(byMember.rows.map(({ member: one }) => one?.name)).toEqual(['Member', 'owner'])
  })

  it('split twice adds up to the same', async () => {
    const { rows, total, by } = await usage('by=day&by2=model')
    expect(by).toEqual(['day', 'model'])
    expect(rows.map(({ day, model }) => [day, model])).toEqual([
      ['2026-03-01', null],
      ['2026-03-01', 'demo/reef-demo'],
      ['2026-03-02', null],
      ['2026-03-02', 'demo/other'],
      ['2026-03-02', 'demo/reef-demo'],
    ])
    expect(rows.reduce((sum, row) => sum + row.costMicros, 0)).toBe(total.costMicros)
  })

  it('of an ordinary member is their own and nobody else’s', async () => {
    const answer = await fetch(`${app.url}/api/usage?${range}&by=member`, {
      headers: { authorization: member.authorization, 'reef-organization': organizationId },
    })
    const { rows, total } = (await answer.json()) as Usage
    expect(rows.map(({ member: one }) => one?.id)).toEqual([member.userId])
    expect(total.costMicros).toBe(28)
  })

  it('of another organization is nothing', async () => {
    expect((await stranger.call<Usage>('GET', `/api/usage?${range}`)).rows).toEqual([])
  })

  it('by agent knows agents by their ids, and puts everything else together', async () => {
    const agentId = newId()
    await app.database.asSystem((trx) =>
      trx.updateTable('model_calls').set({ agent_id: agentId }).where('cost', '=', 7).execute(),
    )
    const { rows } = await usage('by=agent')
    expect(rows.map((row) => [row.agentId, row.costMicros])).toEqual([
      [null, 46],
      [agentId, 7],
    ])
  })

  it('names who has left by their id alone', async () => {
    const gone = await insertUser(app.database)
    await app.database.asSystem((trx) =>
      trx.updateTable('model_calls').set({ user_id: gone }).where('cost', '=', 5).execute(),
    )
    const { rows } = await usage('by=member')
    expect(rows.find(({ member: one }) => one?.id === gone)?.member?.name).toBeNull()
  })

  it.each([
    ['by=year', 'by'],
    ['by=day&by2=day', 'by2'],
    ['from=yesterday', 'from'],
    ['from=2026-03-02&to=2026-03-02', 'from'],
    ['from=2024-01-01&to=2026-03-02', 'from'],
  ])('refuses ?%s and names %s', async (query, field) => {
    expect(await refused(query)).toMatchObject({ status: 400, field })
  })
})
