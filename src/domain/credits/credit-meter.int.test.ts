import { sql } from 'kysely'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createPerson } from '../../../test/support/control-plane.ts'
import {
  callEnd,
  createMeteredWorld,
  type MeteredWorld,
  usageOf,
} from '../../../test/support/metered-world.ts'
import { openDatabase } from '../../db/database.ts'
import { newId } from '../../ids.ts'
import { closeAbandonedModelCalls } from './abandoned-calls.ts'
import { createBudgetService } from './budget-service.ts'
import { startCallSweep } from './call-sweep.ts'

let world: MeteredWorld
beforeAll(async () => {
  world = await createMeteredWorld()
})
afterAll(() => world.drop())

const makeOld = (...ids: string[]) =>
  world.database.asSystem((trx) =>
    trx
      .updateTable('model_calls')
      .set({ started_at: sql<Date>`now() - interval '36 minutes'` })
      .where('id', 'in', ids)
      .execute(),
  )

describe('a metered call', () => {
  it('holds its worst case before it is made, and costs what it used after it', async () => {
    const organizationId = await world.organizationWith(10_000)
    const call = world.newCall(organizationId)
    const admitted = await world.begin(call)
    expect(admitted.outputTokensMax).toBe(500)
    expect(await world.rowOf(call.id)).toMatchObject({
      outcome: 'pending',
      reserved: 2000,
      price_version: 1,
      cost: null,
      input_tokens: null,
    })
    expect(await world.bookOf(organizationId)).toMatchObject({ available: 8000, reserved: 2000 })
    await admitted.settle(callEnd)
    expect(await world.rowOf(call.id)).toMatchObject({
      organization_id: organizationId,
      user_id: call.userId,
      slot_id: world.slotId,
      outcome: 'succeeded',
      http_status: 200,
      input_tokens: 900,
      cached_input_tokens: 100,
      cache_write_input_tokens: 50,
      output_tokens: 200,
      reasoning_tokens: 10,
      estimated: false,
      reserved: 2000,
      cost: 1300,
      price_version: 1,
      first_byte_at: callEnd.firstByteAt,
      finished_at: callEnd.finishedAt,
    })
    expect(await world.bookOf(organizationId)).toMatchObject({ available: 8700, reserved: 0, spent: 1300 })
  })

  it('that failed costs nothing', async () => {
    const organizationId = await world.organizationWith(10_000)
    const call = world.newCall(organizationId)
    await (await world.begin(call)).settle({ ...callEnd, outcome: 'failed', httpStatus: 500, errorCode: 'x' })
    expect(await world.rowOf(call.id)).toMatchObject({ outcome: 'failed', cost: 0, input_tokens: 900 })
    expect(await world.bookOf(organizationId)).toMatchObject({ available: 10_000, reserved: 0, spent: 0 })
  })

  it('of a slot in the pool is free and recorded', async () => {
    const call = world.newCall(null)
    await (await world.begin(call)).settle(callEnd)
    expect(await world.rowOf(call.id)).toMatchObject({
      outcome: 'succeeded',
      output_tokens: 200,
      cost: 0,
      reserved: null,
      price_version: null,
    })
  })

  it('of a model without a price is refused, with what the operator has to do', async () => {
    const organizationId = await world.organizationWith(10_000)
    const call = world.newCall(organizationId, { model: 'gpt-new' })
    expect(await world.meterOf().begin(call)).toMatchObject({
      admitted: false,
      kind: 'conflict',
      code: 'model_unpriced',
      message: expect.stringMatching(/openai\/gpt-new.*operator.*price list/),
    })
    expect(await world.rowOf(call.id)).toBeUndefined()
  })

  it('takes what went beyond its worst case from what is there, and never below zero', async () => {
    const organizationId = await world.organizationWith(2100)
    const admitted = await world.begin(world.newCall(organizationId))
    await admitted.settle({ ...callEnd, usage: usageOf(2000, 200) })
    expect(await world.bookOf(organizationId)).toMatchObject({ available: 0, spent: 2400, written_off: 300 })
  })
})

describe('when credits run out', () => {
  it('an answer is cut to what is left, as long as that is of use', async () => {
    const organizationId = await world.organizationWith(1600)
    const call = world.newCall(organizationId)
    const admitted = await world.begin(call)
    expect(admitted.outputTokensMax).toBe(300)
    expect(await world.rowOf(call.id)).toMatchObject({ reserved: 1600 })
    await admitted.settle({ ...callEnd, usage: usageOf(1000, 300) })
    expect(await world.bookOf(organizationId)).toMatchObject({
      available: 0,
      reserved: 0,
      spent: 1600,
      written_off: 0,
    })
  })

  it('a call is refused that has not even that, with what to do, and nothing is left of it', async () => {
    const organizationId = await world.organizationWith(1400)
    const call = world.newCall(organizationId)
    const refused = await world.meterOf().begin(call)
    expect(refused).toMatchObject({
      admitted: false,
      kind: 'paymentRequired',
      code: 'credits_exhausted',
      message: expect.stringContaining('https://reef.example/credits'),
    })
    expect(await world.rowOf(call.id)).toBeUndefined()
    expect(await world.bookOf(organizationId)).toMatchObject({
      available: 1400,
      reserved: 0,
      head_sequence: 1,
    })
    expect(world.exhausted).toContain(organizationId)
  })

  it('an endless conversation is refused, and nobody is stopped for it who has credits for a usual one', async () => {
    const rich = await world.organizationWith(1_000_000)
    const poor = await world.organizationWith(30_000)
    for (const organizationId of [rich, poor])
      expect(
        await world.meterOf().begin(world.newCall(organizationId, { inputTokensMax: 30_000_000 })),
      ).toMatchObject({ admitted: false, code: 'credits_exhausted' })
    expect(world.exhausted).not.toContain(rich)
    expect(world.exhausted).toContain(poor)
  })

  it('calls at the same time share what there is, and one that gets nothing is asked to wait', async () => {
    const organizationId = await world.organizationWith(40_000)
    const meter = world.meterOf()
    const large = { inputTokensMax: 1000, outputTokensMax: 100_000 }
    const answers = await Promise.all(
      Array.from({ length: 12 }, () => meter.begin(world.newCall(organizationId, large))),
    )
    const admitted = answers.filter((answer) => answer.admitted)
    const refused = answers.filter((answer) => !answer.admitted)
    expect(admitted.length).toBeGreaterThanOrEqual(3)
    expect(refused.length).toBeGreaterThan(0)
    for (const answer of refused)
      expect(answer).toMatchObject({ kind: 'rateLimited', code: 'credits_reserved' })
    expect(world.exhausted).not.toContain(organizationId)
    await Promise.all(admitted.map((answer) => answer.settle(callEnd)))
    expect(await world.bookOf(organizationId)).toMatchObject({ reserved: 0, spent: admitted.length * 1300 })
    expect((await meter.begin(world.newCall(organizationId))).admitted).toBe(true)
  })

  it('a spent budget says so before the credits do', async () => {
    const organizationId = await world.organizationWith(100_000)
    await world.database.asSystem((trx) =>
      trx
        .insertInto('budgets')
        .values({
          id: newId(),
          organization_id: organizationId,
          scope: 'organization',
          subject_id: null,
          period: 'day',
          limit_amount: 3400,
          created_by: null,
        })
        .execute(),
    )
    const meter = world.meterOf()
    await (await world.begin(world.newCall(organizationId), meter)).settle(callEnd)
    // 2100 are left: the worst case fits, then a part of it.
    await (await world.begin(world.newCall(organizationId), meter)).settle({
      ...callEnd,
      usage: usageOf(400, 0),
    })
    const part = await world.begin(world.newCall(organizationId), meter)
    expect(part.outputTokensMax).toBe(350)
    await part.settle({ ...callEnd, usage: usageOf(1000, 350) })
    expect(await meter.begin(world.newCall(organizationId))).toMatchObject({
      kind: 'paymentRequired',
      code: 'budget_exhausted',
      message: expect.stringContaining('daily budget of the organization'),
    })
    expect(await world.bookOf(organizationId)).toMatchObject({ reserved: 0, spent: 3400 })
  })
})

describe('many calls at once', () => {
  it('are admitted and settled together, and fail alone', async () => {
    const organizationId = await world.organizationWith(10_000_000)
    const meter = world.meterOf()
    const calls = Array.from({ length: 1000 }, () => world.newCall(organizationId))
    const wrong = world.newCall(organizationId, { slotId: newId() })
    const admissions = await Promise.allSettled([...calls, wrong].map((call) => meter.begin(call)))
    expect(admissions.filter(({ status }) => status === 'rejected')).toHaveLength(1)
    expect(admissions.at(-1)?.status).toBe('rejected')
    await Promise.all(
      admissions.map((admission) =>
        admission.status === 'fulfilled' && admission.value.admitted
          ? admission.value.settle(callEnd)
          : undefined,
      ),
    )
    const { rows } = await world.database.asSystem((trx) =>
      sql<{ calls: number; cost: number }>`select count(*)::int as calls, sum(cost)::int as cost
        from model_calls where organization_id = ${organizationId} and outcome = 'succeeded'`.execute(trx),
    )
    expect(rows[0]).toEqual({ calls: 1000, cost: 1_300_000 })
    expect(await world.bookOf(organizationId)).toMatchObject({
      available: 8_700_000,
      reserved: 0,
      spent: 1_300_000,
    })
  })

  it('of two control planes never spend more than there is', async () => {
    const granted = 200_000
    const organizationId = await world.organizationWith(granted)
    const other = openDatabase({ url: world.database.loginUrl, connectionsMax: 5 })
    const waits: number[] = []
    let spent = 0
    const worker = async (meter: ReturnType<MeteredWorld['meterOf']>): Promise<void> => {
      for (;;) {
        const started = performance.now()
        const answer = await meter.begin(world.newCall(organizationId, { outputTokensMax: 20_000 }))
        if (!answer.admitted) {
          waits.push(performance.now() - started)
          if (answer.kind === 'paymentRequired') return
          continue
        }
        // Up to everything that it was allowed.
        const written = Math.floor((answer.outputTokensMax * (spent % 10)) / 9)
        spent += 1000 + written * 2
        await answer.settle({ ...callEnd, usage: usageOf(1000, written) })
      }
    }
    try {
      const planes = [world.meterOf(), world.meterOf({ database: other })]
      await Promise.all(
        Array.from({ length: 40 }, (_, index) =>
          worker(planes[index % 2] as ReturnType<MeteredWorld['meterOf']>),
        ),
      )
    } finally {
      await other.close()
    }
    const book = await world.bookOf(organizationId)
    expect(book).toMatchObject({ spent, reserved: 0, written_off: 0, available: granted - spent })
    expect(book.available).toBeLessThan(1512)
    waits.sort((a, b) => a - b)
    process.stdout.write(
      `refusals: ${waits.length}, p99 ${waits[Math.floor(waits.length * 0.99)]?.toFixed(1)} ms\n`,
    )
  })
})

describe('a settlement', () => {
  it('counts even if the pending row was lost with the database’s machine', async () => {
    const organizationId = await world.organizationWith(10_000)
    const call = world.newCall(organizationId)
    const admitted = await world.begin(call)
    await world.database.asSystem((trx) => trx.deleteFrom('model_calls').where('id', '=', call.id).execute())
    await admitted.settle(callEnd)
    expect(await world.rowOf(call.id)).toMatchObject({ outcome: 'succeeded', cost: 1300 })
  })

  it('waits for a database that is away, and counts once', async () => {
    const organizationId = await world.organizationWith(10_000)
    const away = world.unreliable()
    const call = world.newCall(organizationId)
    const meter = world.meterOf({ database: away })
    const admitted = await world.begin(call, meter)
    away.broken = true
    await admitted.settle(callEnd)
    expect(await world.rowOf(call.id)).toMatchObject({ outcome: 'pending' })
    away.broken = false
    await expect.poll(async () => (await world.rowOf(call.id))?.outcome).toBe('succeeded')
    expect(await world.bookOf(organizationId)).toMatchObject({ spent: 1300, reserved: 0 })
    await meter.settlements.stop()
  })

  it('is written again when the database went away before its disk had it', async () => {
    const organizationId = await world.organizationWith(10_000)
    const away = world.unreliable()
    const closed: string[] = []
    const journal = { left: { ended: [], open: [] }, opened: () => {}, ended: () => {}, close: () => {} }
    const meter = world.meterOf({ database: away, journal: { ...journal, closed: (id) => closed.push(id) } })
    const call = world.newCall(organizationId)
    const admitted = await world.begin(call, meter)
    await admitted.settle(callEnd)
    away.broken = true
    await expect.poll(() => away.refused).toBeGreaterThan(0)
    expect(closed).toEqual([])
    away.broken = false
    await expect.poll(() => closed).toEqual([call.id])
    expect(await world.bookOf(organizationId)).toMatchObject({ spent: 1300, reserved: 0 })
    await meter.settlements.stop()
  })

  it('waits for a database that takes nothing for now, whatever it gives as the reason', async () => {
    const organizationId = await world.organizationWith(10_000)
    world.lost.length = 0
    const owner = new pg.Client({ connectionString: world.database.adminUrl })
    await owner.connect()
    await owner.query(`create table why (code text);
      create function refuse() returns trigger language plpgsql as $$ begin
        if exists (select from why) then
          raise exception using errcode = (select code from why), message = 'not now';
        end if;
        return new;
      end $$;
      grant select on why to public;
      create trigger refuse before update on model_calls for each row execute function refuse()`)
    // A full disk, a standby that was only just promoted, a deadlock, a statement that took too long, no memory.
    for (const code of ['53100', '25006', '40P01', '57014', '53200']) {
      await owner.query('insert into why values ($1)', [code])
      const call = world.newCall(organizationId)
      const meter = world.meterOf()
      await (await world.begin(call, meter)).settle(callEnd)
      expect(await world.rowOf(call.id), code).toMatchObject({ outcome: 'pending' })
      await owner.query('delete from why')
      await expect
        .poll(async () => (await world.rowOf(call.id))?.outcome, { message: code })
        .toBe('succeeded')
      await meter.settlements.stop()
    }
    await owner.query('drop trigger refuse on model_calls')
    await owner.end()
    expect(world.lost).toEqual([])
    expect(await world.bookOf(organizationId)).toMatchObject({ spent: 5 * 1300, reserved: 0 })
  })

  it('that the database refuses for good is told, and stops nobody', async () => {
    const organizationId = await world.organizationWith(10_000)
    world.lost.length = 0
    const admitted = await world.begin(world.newCall(organizationId))
    await admitted.settle({ ...callEnd, httpStatus: 10_000_000_000 })
    expect(world.lost).toHaveLength(1)
  })
})

describe('calls of a control plane that died', () => {
  it('are closed and give back what they held, but none that may still be alive', async () => {
    const organizationId = await world.organizationWith(10_000)
    const [old, recent, done] = [
      world.newCall(organizationId),
      world.newCall(organizationId),
      world.newCall(organizationId),
    ]
    const late = await world.begin(old)
    await world.begin(recent)
    await (await world.begin(done)).settle(callEnd)
    await makeOld(old.id, done.id)
    // Two control planes sweep at once.
    const closed = await Promise.all([
      closeAbandonedModelCalls(world.database),
      closeAbandonedModelCalls(world.database),
    ])
    expect(closed.reduce((sum, count) => sum + count)).toBe(1)
    expect(await world.rowOf(old.id)).toMatchObject({
      outcome: 'cancelled',
      error_code: 'control_plane_lost',
      cost: 0,
    })
    expect((await world.rowOf(recent.id))?.outcome).toBe('pending')
    expect((await world.rowOf(done.id))?.outcome).toBe('succeeded')
    expect(await world.bookOf(organizationId)).toMatchObject({ reserved: 2000, spent: 1300, available: 6700 })
    // It was only very late: what is known is not given away.
    await late.settle(callEnd)
    await late.settle(callEnd)
    expect(await world.rowOf(old.id)).toMatchObject({ outcome: 'succeeded', cost: 1300 })
    expect(await world.bookOf(organizationId)).toMatchObject({ reserved: 2000, spent: 2600, available: 5400 })
  })

  it('give back what budgets held, and count there too when they turn up late', async () => {
    const organizationId = await world.organizationWith(10_000)
    const owner = await createPerson(world.database, { organizationId })
    const budgets = createBudgetService({ database: world.database })
    await budgets.create(owner, { scope: 'organization', subjectId: null, period: 'month', limit: 5000 })
    const call = world.newCall(organizationId)
    const late = await world.begin(call)
    expect(await budgets.list(owner)).toMatchObject([{ spent: 0, reserved: 2000 }])
    await makeOld(call.id)
    await closeAbandonedModelCalls(world.database)
    expect(await budgets.list(owner)).toMatchObject([{ spent: 0, reserved: 0 }])
    for (let i = 0; i < 2; i++) await late.settle(callEnd)
    expect(await budgets.list(owner)).toMatchObject([{ spent: 1300, reserved: 0 }])
  })

  it('are looked for again and again, until told to stop', async () => {
    const call = world.newCall(await world.organizationWith(10_000))
    await world.begin(call)
    const errors: unknown[] = []
    const sweep = startCallSweep({
      database: world.database,
      onError: (error) => errors.push(error),
      intervalSeconds: 0.05,
    })
    await makeOld(call.id)
    await expect.poll(async () => (await world.rowOf(call.id))?.outcome).toBe('cancelled')
    await sweep.stop()
    expect(errors).toEqual([])
  })
})

describe('the record of calls', () => {
  it('shows a tenant its own and nobody else’s', async () => {
    const [organizationId, other] = [
      await world.organizationWith(10_000),
      await world.organizationWith(10_000),
    ]
    const call = world.newCall(organizationId)
    await world.begin(call)
    const ids = async (tenant: string) =>
      (
        await world.database.inTenant(tenant, (trx) => trx.selectFrom('model_calls').select('id').execute())
      ).map(({ id }) => id)
    expect(await ids(organizationId)).toEqual([call.id])
    expect(await ids(other)).toEqual([])
  })
})
