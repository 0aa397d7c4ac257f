import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../../../test/support/database.ts'
import { newId } from '../../ids.ts'
import type { ModelCall, ModelCallEnd } from './meter.ts'
import { closeAbandonedModelCalls, createRecordingMeter } from './recording-meter.ts'
import { startUsageSweep } from './sweep.ts'

let database: TestDatabase
const organizationId = newId()
const otherOrganizationId = newId()
const slotId = newId()
const lost: unknown[] = []

beforeAll(async () => {
  database = await createTestDatabase()
  await database.asSystem(async (trx) => {
    for (const id of [organizationId, otherOrganizationId])
      await trx
        .insertInto('organizations')
        .values({ id, name: 'Reef', slug: `o-${id.slice(-12)}`, personal_user_id: null })
        .execute()
    await sql`insert into slots (id, driver, state, spec_version) values (${slotId}, 'fake', 'available', '1')`.execute(
      trx,
    )
  })
})
afterAll(() => database.drop())

function newCall(more: Partial<ModelCall> = {}): ModelCall {
  return {
    id: newId(),
    slotId,
    organizationId,
    instanceId: null,
    sessionId: null,
    provider: 'openai',
    model: 'gpt-test',
    protocol: 'responses',
    streamed: true,
    requestBytes: 100,
    outputTokensMax: null,
    ...more,
  }
}

const end: ModelCallEnd = {
  outcome: 'succeeded',
  httpStatus: 200,
  errorCode: null,
  usage: {
    inputTokens: 15_000,
    cachedInputTokens: 12_000,
    cacheWriteInputTokens: 500,
    outputTokens: 300,
    reasoningTokens: 100,
  },
  firstByteAt: new Date('2026-11-21T11:00:00.250Z'),
  finishedAt: new Date('2026-11-21T11:00:09Z'),
}

const meterOf = (retryDelaysMilliseconds: number[] = []) =>
  createRecordingMeter({ database, onLost: (error) => lost.push(error), retryDelaysMilliseconds })

const rowOf = (id: string) =>
  database.asSystem((trx) =>
    trx.selectFrom('model_calls').selectAll().where('id', '=', id).executeTakeFirstOrThrow(),
  )

async function begin(call: ModelCall) {
  const admitted = await meterOf().begin(call)
  if (!admitted.admitted) throw new Error('refused')
  return admitted
}

describe('the record of model calls', () => {
  it('has a pending row before the call and the whole truth after it', async () => {
    const call = newCall()
    const admitted = await begin(call)
    expect(await rowOf(call.id)).toMatchObject({ outcome: 'pending', input_tokens: null, finished_at: null })
    await admitted.settle(end)
    expect(await rowOf(call.id)).toMatchObject({
      organization_id: organizationId,
      slot_id: slotId,
      outcome: 'succeeded',
      http_status: 200,
      input_tokens: 15_000,
      cached_input_tokens: 12_000,
      cache_write_input_tokens: 500,
      output_tokens: 300,
      reasoning_tokens: 100,
      first_byte_at: end.firstByteAt,
      finished_at: end.finishedAt,
    })
  })

  it('keeps the settlement even if the pending row was lost with the database’s machine', async () => {
    const call = newCall()
    const admitted = await begin(call)
    await database.asSystem((trx) => trx.deleteFrom('model_calls').where('id', '=', call.id).execute())
    await admitted.settle(end)
    expect(await rowOf(call.id)).toMatchObject({ outcome: 'succeeded', output_tokens: 300 })
  })

  it('shows a tenant its own calls and nobody else’s', async () => {
    const call = newCall()
    await begin(call)
    const ids = async (tenant: string) =>
      (await database.inTenant(tenant, (trx) => trx.selectFrom('model_calls').select('id').execute())).map(
        ({ id }) => id,
      )
    expect(await ids(organizationId)).toContain(call.id)
    expect(await ids(otherOrganizationId)).toEqual([])
  })

  it('refuses the call when its row cannot be written, and never throws when settling', async () => {
    await expect(meterOf().begin(newCall({ slotId: newId() }))).rejects.toThrow()
    const call = newCall()
    const admitted = await begin(call)
    await database.asSystem((trx) => sql`delete from model_calls where id = ${call.id}`.execute(trx))
    const impossible = { ...end, httpStatus: Number.NaN }
    await admitted.settle(impossible)
    expect(lost).toHaveLength(1)
  })

  it('takes a thousand calls at once on one connection, and fails only the one that cannot be written', async () => {
    const meter = meterOf()
    const calls = Array.from({ length: 1000 }, () => newCall({ model: 'many' }))
    const wrong = newCall({ model: 'many', slotId: newId() })
    const admissions = await Promise.allSettled([...calls, wrong].map((call) => meter.begin(call)))
    expect(admissions.filter(({ status }) => status === 'rejected')).toHaveLength(1)
    expect(admissions.at(-1)?.status).toBe('rejected')
    await Promise.all(
      admissions.map((admission) =>
        admission.status === 'fulfilled' && admission.value.admitted
          ? admission.value.settle(end)
          : undefined,
      ),
    )
    const { rows } = await database.asSystem((trx) =>
      sql<{ calls: number; tokens: number }>`select count(*)::int as calls, sum(output_tokens)::int as tokens
        from model_calls where model = 'many' and outcome = 'succeeded'`.execute(trx),
    )
    expect(rows[0]).toEqual({ calls: 1000, tokens: 300_000 })
  })

  it('closes the calls of a control plane that died, and none that may still be alive', async () => {
    const [old, recent, done] = [newCall(), newCall(), newCall()]
    await begin(old)
    await begin(recent)
    await (await begin(done)).settle(end)
    await database.asSystem((trx) =>
      trx
        .updateTable('model_calls')
        .set({ started_at: sql<Date>`now() - interval '36 minutes'` })
        .where('id', 'in', [old.id, done.id])
        .execute(),
    )
    // Two control planes sweep at once.
    const closed = await Promise.all([closeAbandonedModelCalls(database), closeAbandonedModelCalls(database)])
    expect(closed.reduce((sum, count) => sum + count)).toBe(1)
    expect(await rowOf(old.id)).toMatchObject({ outcome: 'cancelled', error_code: 'control_plane_lost' })
    expect((await rowOf(recent.id)).outcome).toBe('pending')
    expect((await rowOf(done.id)).outcome).toBe('succeeded')
  })

  it('sweeps by itself, and stops when told to', async () => {
    const call = newCall()
    await begin(call)
    const errors: unknown[] = []
    const sweep = startUsageSweep({ database, onError: (error) => errors.push(error), intervalSeconds: 0.05 })
    await database.asSystem((trx) =>
      trx
        .updateTable('model_calls')
        .set({ started_at: sql<Date>`now() - interval '1 day'` })
        .where('id', '=', call.id)
        .execute(),
    )
    await expect.poll(async () => (await rowOf(call.id)).outcome).toBe('cancelled')
    await sweep.stop()
    expect(errors).toEqual([])
  })
})
