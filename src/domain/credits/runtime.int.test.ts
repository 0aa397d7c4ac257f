import { sql } from 'kysely'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { readBook } from '../../../test/support/book.ts'
import {
  clearInstances,
  createPerson,
  eventually,
  startControlPlane,
  type TestControlPlane,
  type TestControlPlaneOptions,
} from '../../../test/support/control-plane.ts'
import { createTestDatabase, type TestDatabase } from '../../../test/support/database.ts'
import type { Trx } from '../../db/database.ts'
import { newId } from '../../ids.ts'
import type { Principal } from '../accounts/principal.ts'
import type { Instance } from '../instances/instance.ts'
import { evaluateBudget } from './budgets.ts'
import { holdForCredits } from './holds.ts'
import { createLedger } from './ledger.ts'
import { createPrices } from './price-service.ts'
import { chargeRuntime } from './runtime-billing.ts'
import { findReplenished } from './runtime-holds.ts'
import { recordServed } from './runtime-store.ts'

const credit = 1_000_000
/** A credit each second, so that a test need not wait for hours. */
const dear = { running: 3_600 * credit, suspended: 360 * credit, stored: 0 }
const quick = { windowSeconds: 2, sleepSeconds: 2, leaseSeconds: 3, drainSeconds: 1, firstSeconds: 1 }
const never = { suspended: null, frozen: null, frozen_on_disk: null, stopped: null }

describe('runtime', () => {
  let database: TestDatabase
  const planes: TestControlPlane[] = []
  const start = async (options: TestControlPlaneOptions = {}) => {
    const plane = await startControlPlane(database.loginUrl, {
      idle: never,
      runtime: { price: dear, times: quick, heartbeatMilliseconds: 100 },
      ...options,
    })
    planes.push(plane)
    return plane
  }

  beforeAll(async () => {
    database = await createTestDatabase()
  })
  afterEach(async () => {
    for (const plane of planes.splice(0)) await plane.close()
    await clearInstances(database)
  })
  afterAll(() => database.drop())

  const grant = (person: Principal, credits: number) =>
    createLedger(database).post({
      kind: 'grant',
      key: newId(),
      organizationId: person.organizationId,
      amount: Math.round(credits * credit),
    })
  const until = (plane: TestControlPlane, person: Principal, isRight: (instance: Instance) => boolean) =>
    eventually(() => plane.service.getOwn(person), isRight, 25)
  const bookOf = ({ organizationId }: Principal) => readBook(database, organizationId)
  const usageOf = async ({ organizationId }: Principal) => {
    const { rows } = await database.asSystem((trx) =>
      sql<{ cost: number; ms: number }>`select coalesce(sum(cost), 0)::bigint as cost,
        coalesce(sum(milliseconds) filter (where state = 'running'), 0)::bigint as ms
        from runtime_usage where organization_id = ${organizationId}`.execute(trx),
    )
    return rows[0] as { cost: number; ms: number }
  }
  const countRunning = (plane: TestControlPlane) => plane.machines.countRunning()

  it('is not begun without credits for a first window, and says what to do', async () => {
    const plane = await start()
    const person = await createPerson(database)
    await expect(plane.service.provision(person, {})).rejects.toMatchObject({
      kind: 'paymentRequired',
      code: 'credits_exhausted',
      message: expect.stringContaining('Buy credits'),
    })
    expect(await plane.service.findOwn(person)).toBeUndefined()
    await grant(person, 10)
    await plane.service.provision(person, {})
    await until(plane, person, ({ status }) => status === 'running')
  })

  it('ends when the credits do, without touching what its owner wants, and goes on when there are some again', async () => {
    const plane = await start()
    const person = await createPerson(database)
    await grant(person, 5)
    await plane.service.provision(person, {})
    await until(plane, person, ({ status }) => status === 'running')
    const stopped = await until(plane, person, ({ status }) => status === 'stopped')
    expect(stopped).toMatchObject({
      desiredState: 'running',
      reason: { code: 'credits_exhausted', message: expect.stringContaining('starts again by itself') },
      sleep: null,
      actions: ['start', 'delete', 'stop'],
    })
    expect(countRunning(plane)).toBe(0)
    await expect(plane.service.start(person, stopped.id)).rejects.toMatchObject({ kind: 'paymentRequired' })
    // Everything is settled and nothing is held any more.
    const book = await eventually(
      () => bookOf(person),
      ({ reserved }) => reserved === 0,
    )
    const usage = await usageOf(person)
    expect(book.spent).toBe(usage.cost)
    expect(book.written_off).toBeLessThanOrEqual(credit)
    expect(usage.ms).toBeGreaterThan(2_000)
    await grant(person, 100)
    await until(plane, person, ({ status, reason }) => status === 'running' && reason === null)
  })

  it('goes on with new credits although what it had used before was paid back meanwhile', async () => {
    const plane = await start()
    const person = await createPerson(database)
    await grant(person, 5)
    await plane.service.provision(person, {})
    await until(plane, person, ({ status, reason }) => status === 'stopped' && reason !== null)
    await eventually(
      () => bookOf(person),
      ({ reserved }) => reserved === 0,
    )
    await createLedger(database).post({
      kind: 'refund',
      key: newId(),
      organizationId: person.organizationId,
      amount: 5 * credit,
    })
    await eventually(
      () =>
        database.asSystem((trx) =>
          trx
            .selectFrom('runtime_windows')
            .select('hold_inflow')
            .where('organization_id', '=', person.organizationId)
            .executeTakeFirstOrThrow(),
        ),
      ({ hold_inflow }) => hold_inflow === 0,
    )
    await grant(person, 4)
    await until(plane, person, ({ status, reason }) => status === 'running' && reason === null)
  })

  it('is left alone with too few credits, and goes on with the next, whoever missed that they came', async () => {
    const plane = await start()
    const person = await createPerson(database)
    await grant(person, 5)
    await plane.service.provision(person, {})
    await until(plane, person, ({ status, reason }) => status === 'stopped' && reason !== null)
    const { available } = await eventually(
      () => bookOf(person),
      ({ reserved }) => reserved === 0,
    )
    // A first window takes two.
    await grant(person, (1.5 * credit - available) / credit)
    const list = { models: {}, plans: { free: dear }, storagePerGibibyteMonth: 0, egressPerGibibyte: null }
    const isReplenished = async () =>
      (await database.asSystem((trx) => findReplenished(trx, list, quick))).includes(person.organizationId)
    expect(await isReplenished()).toBe(false)
    await plane.close()
    planes.splice(planes.indexOf(plane), 1)
    await grant(person, 1)
    expect(await isReplenished()).toBe(true)
    const next = await start({ machines: plane.machines })
    await until(next, person, ({ status, reason }) => status === 'running' && reason === null)
  })

  it('is stopped for all of an organization when a model call finds no credits, sleeping ones too', async () => {
    const plane = await start({ multiUser: true })
    const [one, other] = await twoMembers(plane)
    await plane.service.suspend(other, (await plane.service.getOwn(other)).id)
    await until(plane, other, ({ status }) => status === 'suspended')
    const held = await database.asSystem((trx) => holdForCredits(trx, one.organizationId))
    expect(held).toHaveLength(2)
    await until(plane, one, ({ status }) => status === 'stopped')
    await until(plane, other, ({ status }) => status === 'stopped')
    expect(countRunning(plane)).toBe(0)
    // What runtime no longer holds is no reason to begin again; what comes in is.
    await eventually(
      () => bookOf(one),
      ({ reserved }) => reserved === 0,
    )
    await database.asSystem((trx) => holdForCredits(trx, one.organizationId))
    expect((await plane.service.getOwn(one)).status).toBe('stopped')
    await grant(one, 50)
    await until(plane, one, ({ status }) => status === 'running')
    // It slept, and sleeps on: whoever needs it wakes it.
    expect(await plane.service.getOwn(other)).toMatchObject({ status: 'stopped', reason: null, sleep: {} })
  })

  it('is not stopped by a refusal that was true only before somebody brought credits', async () => {
    const plane = await start()
    const person = await createPerson(database)
    await grant(person, 100)
    await plane.service.provision(person, {})
    await until(plane, person, ({ status }) => status === 'running')
    const { available } = await bookOf(person)
    await grant(person, 100)
    expect(
      await database.asSystem((trx) => holdForCredits(trx, person.organizationId, { available, needed: 1 })),
    ).toEqual([])
  })

  it('leaves stopped what a person stopped, also when credits come', async () => {
    const plane = await start()
    const person = await createPerson(database)
    await grant(person, 4)
    const { id } = await plane.service.provision(person, {})
    await until(plane, person, ({ status, reason }) => status === 'stopped' && reason !== null)
    await plane.service.stop(person, id)
    await grant(person, 100)
    await eventually(
      () =>
        database.asSystem((trx) =>
          trx.selectFrom('instances').select('credit_hold').where('id', '=', id).executeTakeFirstOrThrow(),
        ),
      ({ credit_hold }) => credit_hold === null,
    )
    await plane.reconciler.settle(id)
    expect(await plane.service.getOwn(person)).toMatchObject({
      status: 'stopped',
      desiredState: 'stopped',
      reason: null,
    })
    expect(countRunning(plane)).toBe(0)
  })

  it('is not woken for anybody while nobody pays for it', async () => {
    const plane = await start()
    const person = await createPerson(database)
    await grant(person, 100)
    const { id } = await plane.service.provision(person, {})
    await until(plane, person, ({ status }) => status === 'running')
    await plane.service.suspend(person, id)
    await until(plane, person, ({ status }) => status === 'suspended')
    await database.asSystem((trx) =>
      holdForCredits(trx, person.organizationId, { available: 100 * credit, needed: 7_300_000 }),
    )
    await until(plane, person, ({ status }) => status === 'stopped')
    await plane.attendance.wake(id, 'person')
    expect(await plane.service.getOwn(person)).toMatchObject({
      status: 'stopped',
      reason: {
        code: 'credits_exhausted',
        message: expect.stringContaining('The next model call takes 7.3 credits or more and 100 are left'),
      },
    })
    expect(await plane.targets.findByCaller(person)).toMatchObject({ hold: 'credits' })
  })

  it('is charged once, however many control planes do it at once, and after one of them was killed', async () => {
    const doomed = await start()
    const other = await start({ machines: doomed.machines })
    const person = await createPerson(database)
    await grant(person, 1_000)
    const { id } = await doomed.service.provision(person, {})
    await until(doomed, person, ({ status }) => status === 'running')
    const prices = {
      version: 1,
      list: { models: {}, plans: { free: dear }, storagePerGibibyteMonth: 0, egressPerGibibyte: null },
    }
    for (let round = 0; round < 5; round++)
      await Promise.all(
        Array.from({ length: 8 }, () =>
          database.asSystem((trx) => chargeRuntime(trx, person.organizationId, prices, quick, true)),
        ),
      )
    await doomed.kill()
    planes.splice(planes.indexOf(doomed), 1)
    await other.service.stop(person, id)
    await until(other, person, ({ status }) => status === 'stopped')
    const book = await eventually(
      () => bookOf(person),
      ({ reserved }) => reserved === 0,
    )
    expect(book.spent).toBe((await usageOf(person)).cost)
    expect(book.written_off).toBe(0)
  })

  it('is charged to its end for one that is deleted, and nothing of it is held or measured any more', async () => {
    const plane = await start()
    const person = await createPerson(database)
    await grant(person, 100)
    const { id } = await plane.service.provision(person, {})
    await until(plane, person, ({ status }) => status === 'running')
    await eventually(
      () => usageOf(person),
      ({ ms }) => ms > 0,
    )
    await plane.service.deprovision(person, id)
    await eventually(
      () =>
        database.asSystem((trx) =>
          trx.selectFrom('runtime_meters').select('instance_id').where('instance_id', '=', id).execute(),
        ),
      (meters) => meters.length === 0,
    )
    const book = await bookOf(person)
    expect(book.reserved).toBe(0)
    expect(book.spent).toBe((await usageOf(person)).cost)
    expect(book.available + book.spent).toBe(100 * credit)
  })

  it('is charged at the prices with which its time began, whatever they have come to since', async () => {
    const long = { ...quick, windowSeconds: 3_600, sleepSeconds: 3_600 }
    const plane = await start({ runtime: { price: dear, times: long, heartbeatMilliseconds: 50 } })
    const person = await createPerson(database)
    await grant(person, 1_000_000)
    const { id } = await plane.service.provision(person, {})
    await until(plane, person, ({ status }) => status === 'running')
    const only = <T>(find: (trx: Trx) => Promise<T>, isRight: (found: T) => boolean) =>
      eventually(() => database.asSystem(find), isRight)
    const measured = () =>
      only(
        (trx) =>
          trx
            .selectFrom('runtime_meters')
            .select('running_ms')
            .where('instance_id', '=', id)
            .executeTakeFirstOrThrow(),
        ({ running_ms }) => running_ms > 0,
      )
    const usage = () =>
      database.asSystem((trx) =>
        trx
          .selectFrom('runtime_usage')
          .select(['price_version', 'milliseconds', 'cost'])
          .where('instance_id', '=', id)
          .where('milliseconds', '>', 0)
          .orderBy('id')
          .execute(),
      )
    // What is charged from now on is charged here.
    await only(
      (trx) =>
        trx
          .selectFrom('runtime_windows')
          .select('charge_at')
          .where('organization_id', '=', person.organizationId)
          .executeTakeFirstOrThrow(),
      ({ charge_at }) => charge_at !== null && charge_at.getTime() > Date.now() + 60_000,
    )
    await measured()
    const first = (await usage()).length
    const list = {
      models: {},
      plans: { free: { ...dear, running: 10 * dear.running } },
      storagePerGibibyteMonth: 0,
      egressPerGibibyte: null,
    }
    const { version } = await createPrices(database).publish({ userId: person.userId }, list, null)
    const charge = () =>
      database.asSystem((trx) =>
        chargeRuntime(trx, person.organizationId, { version, list }, { ...long, leaseSeconds: 3 }, true),
      )
    await charge()
    await measured()
    await charge()
    const [before, after] = (await usage()).slice(first)
    if (!before || !after) throw new Error('it was not charged twice')
    expect(before.price_version).toBeLessThan(version)
    expect(before.cost).toBe(before.milliseconds * 1_000)
    expect(after).toEqual({ ...after, price_version: version, cost: after.milliseconds * 10_000 })
  })

  it('is measured by what a supervisor counted, whatever of it arrives how often and when', async () => {
    const plane = await start({ runtime: { price: dear, times: quick, heartbeatMilliseconds: 3_600_000 } })
    const person = await createPerson(database)
    await grant(person, 100_000)
    const { id } = await plane.service.provision(person, {})
    await until(plane, person, ({ status }) => status === 'running')
    // An hour ago by our record, of which the supervisor has served a quarter.
    await database.asSystem(async (trx) => {
      await sql`update runtime_meters set supervisor_run = 'run', served_ms = 0,
        metered_until = metered_until - interval '1 hour' where instance_id = ${id}`.execute(trx)
      for (const ms of [300_000, 300_000, 900_000, 600_000]) await recordServed(trx, id, { run: 'run', ms })
    })
    const usage = await eventually(
      () => usageOf(person),
      ({ ms }) => ms >= 900_000,
    )
    expect(usage.ms).toBe(900_000)
    // A count that runs ahead of time itself is believed no further than our own record goes.
    await database.asSystem((trx) => recordServed(trx, id, { run: 'run', ms: 90_000_000 }))
    await plane.service.stop(person, id)
    await until(plane, person, ({ status }) => status === 'stopped')
    await eventually(
      () => bookOf(person),
      ({ reserved }) => reserved === 0,
    )
    expect((await usageOf(person)).ms).toBeLessThan(3_660_000)
  })

  it('is stopped by a spent budget for those whom it concerns, and goes on when the budget is raised', async () => {
    const plane = await start({ multiUser: true })
    const [one, other] = await twoMembers(plane)
    const budgetId = newId()
    await database.asSystem(async (trx) => {
      await trx
        .insertInto('budgets')
        .values({
          id: budgetId,
          organization_id: one.organizationId,
          scope: 'member',
          subject_id: other.userId,
          period: 'day',
          limit_amount: credit,
          created_by: one.userId,
        })
        .execute()
      await evaluateBudget(trx, one.organizationId, budgetId)
    })
    await until(
      plane,
      other,
      ({ status, reason }) => status === 'stopped' && reason?.code === 'budget_exhausted',
    )
    expect((await plane.service.getOwn(one)).status).toBe('running')
    const { id } = await plane.service.getOwn(other)
    await expect(plane.service.start(other, id)).rejects.toMatchObject({ code: 'budget_exhausted' })
    await database.asSystem(async (trx) => {
      await trx.updateTable('budgets').set({ limit_amount: 1e12 }).where('id', '=', budgetId).execute()
      await evaluateBudget(trx, one.organizationId, budgetId)
    })
    await until(plane, other, ({ status }) => status === 'running')
  })

  it('never passes a budget, and is not begun again by what its end gave back', async () => {
    const plane = await start()
    const person = await createPerson(database)
    await grant(person, 1_000)
    const limit = 6 * credit
    const budgetId = newId()
    await database.asSystem((trx) =>
      trx
        .insertInto('budgets')
        .values({
          id: budgetId,
          organization_id: person.organizationId,
          scope: 'organization',
          subject_id: null,
          period: 'month',
          limit_amount: limit,
          created_by: person.userId,
        })
        .execute(),
    )
    const counter = async () => {
      const { rows } = await database.asSystem((trx) =>
        sql<{ spent: number; reserved: number }>`
          select spent, reserved from budget_counters where budget_id = ${budgetId}`.execute(trx),
      )
      return rows[0] ?? { spent: 0, reserved: 0 }
    }
    const { id } = await plane.service.provision(person, {})
    await until(plane, person, ({ status }) => status === 'running')
    await eventually(counter, ({ reserved }) => reserved > 0)
    // What supervisors may count on is bounded by it too.
    const { rows } = await database.asSystem((trx) =>
      sql<{ seconds: number }>`select extract(epoch from budget_until - clock_timestamp())::float8 as seconds
        from runtime_meters where instance_id = ${id}`.execute(trx),
    )
    expect(rows[0]?.seconds).toBeLessThan(6)
    const stopped = await until(
      plane,
      person,
      ({ status, reason }) => status === 'stopped' && reason?.code === 'budget_exhausted',
    )
    expect(stopped.desiredState).toBe('running')
    // What was held for its end comes back, and is no reason to begin again.
    const { spent } = await eventually(counter, ({ reserved }) => reserved === 0)
    expect(spent).toBe((await usageOf(person)).cost)
    expect(spent).toBeGreaterThan(limit / 2)
    expect(spent).toBeLessThanOrEqual(limit + credit)
    await database.asSystem((trx) => evaluateBudget(trx, person.organizationId, budgetId))
    await expect(plane.service.start(person, id)).rejects.toMatchObject({ code: 'budget_exhausted' })
    expect((await plane.service.getOwn(person)).status).toBe('stopped')
  })

  const twoMembers = async (plane: TestControlPlane): Promise<[Principal, Principal]> => {
    const one = await createPerson(database)
    const other = await createPerson(database, { organizationId: one.organizationId, role: 'member' })
    await grant(one, 100)
    for (const person of [one, other]) {
      await plane.service.provision(person, {})
      await until(plane, person, ({ status }) => status === 'running')
    }
    return [one, other]
  }
})
