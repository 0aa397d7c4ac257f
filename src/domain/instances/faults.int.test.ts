import { sql } from 'kysely'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import {
  clearInstances,
  createPerson,
  eventually,
  startControlPlane,
  type TestControlPlane,
  type TestControlPlaneOptions,
} from '../../../test/support/control-plane.ts'
import { createTestDatabase, type TestDatabase } from '../../../test/support/database.ts'
import { newId } from '../../ids.ts'
import type { Principal } from '../accounts/principal.ts'
import { claimSlot, tendPool } from './pool.ts'
import { lockInstance } from './store.ts'

describe('instances under faults', () => {
  let database: TestDatabase
  const planes: TestControlPlane[] = []
  const start = async (options?: TestControlPlaneOptions) => {
    const plane = await startControlPlane(database.loginUrl, options)
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

  const liveSlots = () =>
    database.asSystem((trx) =>
      trx.selectFrom('slots').selectAll().where('state', '<>', 'removed').orderBy('id').execute(),
    )
  const statusIs = (plane: TestControlPlane, person: Principal, status: string) =>
    eventually(
      () => plane.service.getOwn(person),
      (instance) => instance.status === status,
    )
  /** Machines and rows agree, one to one. */
  const expectNoStrays = async (plane: TestControlPlane) => {
    const rows = (await liveSlots()).map((slot) => slot.id)
    const listed = (await plane.driver.list()).map((machine) => machine.slotId)
    expect(listed.sort()).toEqual(rows.sort())
  }

  it('two control planes provision fifty at once without a duplicate or an orphan', async () => {
    const one = await start({ poolSize: 3 })
    const { machines } = one
    const both = [one, await start({ machines, poolSize: 3 })] as const
    const people = await Promise.all(Array.from({ length: 50 }, () => createPerson(database)))
    // Every click reaches both control planes.
    const clicks = await Promise.all(
      people.flatMap((person) => both.map((plane) => plane.service.provision(person, {}))),
    )
    expect(new Set(clicks.map((instance) => instance.id)).size).toBe(50)
    await eventually(
      () =>
        database.asSystem((trx) =>
          trx.selectFrom('instances').select('id').where('status', '=', 'running').execute(),
        ),
      (running) => running.length === 50,
    )
    const slots = await eventually(
      liveSlots,
      (rows) => rows.filter((row) => row.state === 'available').length === 3,
    )
    expect(slots).toHaveLength(53)
    expect(new Set(slots.map((slot) => slot.instance_id)).size).toBe(51)
    await expectNoStrays(both[0])
    expect([...machines.machines.values()].every((machine) => machine.boots === 1)).toBe(true)
  })

  it('a hundred racing claims never get the same slot, and take every warm one', async () => {
    const person = await createPerson(database)
    const ids = Array.from({ length: 100 }, () => newId())
    const pool = {
      driver: 'fake',
      specVersion: 'test-1',
      size: 0,
      ageSecondsMax: 60,
      nodeSilenceSecondsMax: 15,
      refillPauseSeconds: 0,
    }
    await database.asSystem(async (trx) => {
      for (const [index, id] of ids.entries()) {
        const owner = await createOwner(index)
        await trx
          .insertInto('instances')
          .values({
            id,
            organization_id: person.organizationId,
            owner_user_id: owner,
            name: 'x',
            slug: `s-${index}`,
            driver: 'fake',
            desired_state: 'running',
            status: 'provisioning',
            reason_code: null,
            reason_message: null,
            running_since: null,
            deleted_at: null,
          })
          .execute()
      }
      async function createOwner(index: number): Promise<string> {
        const id = newId()
        await trx
          .insertInto('users')
          .values({ id, email: `racer-${index}@example.com`, name: 'Racer', image: null })
          .execute()
        return id
      }
    })
    const warm = Array.from({ length: 60 }, () => newId())
    const admin = new pg.Client({ connectionString: database.adminUrl })
    await admin.connect()
    await admin.query(
      `insert into slots (id, driver, state, spec_version, phase, ready, warm, available_at, next_reconcile_at)
        select id, 'fake', 'available', 'test-1', 'running', true, true, now(), null from unnest($1::uuid[]) as id`,
      [warm],
    )
    await admin.end()
    const claimed = await Promise.all(
      ids.map((id) =>
        database.asSystem(async (trx) => {
          const instance = await lockInstance(trx, id)
          return claimSlot(trx, instance as NonNullable<typeof instance>, pool)
        }),
      ),
    )
    expect(new Set(claimed).size).toBe(100)
    expect(claimed.filter((id) => warm.includes(id))).toHaveLength(60)
  })

  it('another control plane completes what one was doing when it was killed, with the same machine', async () => {
    let reached: () => void = () => undefined
    const hanging = new Promise<void>((done) => {
      reached = done
    })
    const tokens: (string | null)[] = []
    const doomed = await startControlPlane(database.loginUrl, {
      timing: { leaseSeconds: 1 },
      // The machine is made, and then the control plane is killed before it hears of it.
      wrap: (driver) => ({
        ...driver,
        ensure: async (spec, previous) => {
          tokens.push(spec.bootstrapToken)
          await driver.ensure(spec, previous)
          reached()
          return new Promise(() => undefined)
        },
      }),
    })
    const { machines } = doomed
    const ada = await createPerson(database)
    await doomed.service.provision(ada, {})
    await hanging
    await doomed.kill()
    const survivor = await start({
      machines,
      wrap: (driver) => ({
        ...driver,
        ensure: (spec, previous) => {
          tokens.push(spec.bootstrapToken)
          return driver.ensure(spec, previous)
        },
      }),
    })
    // What the killed one's stand-in for a supervisor could not write any more.
    await eventually(liveSlots, ([slot]) => slot?.handle !== null)
    const [slot] = await liveSlots()
    await database.asSystem((trx) =>
      trx
        .updateTable('slots')
        .set({ ready: true, warm: true, next_reconcile_at: new Date() })
        .where('id', '=', slot?.id ?? '')
        .execute(),
    )
    await statusIs(survivor, ada, 'running')
    expect(machines.countRunning()).toBe(1)
    expect([...machines.machines.values()][0]?.boots).toBe(1)
    // The machine that it adopted holds the first call's token, so a new one would have locked it out.
    expect(tokens).toEqual([tokens[0], tokens[0]])
    await expectNoStrays(survivor)
  })

  it.each<Parameters<TestControlPlane['driver']['behave']>[0]>(['slow', 'lost_reply', 'throttled'])(
    'with a driver that is %s an instance runs in the end, on one machine',
    async (variant) => {
      const plane = await start()
      plane.driver.behave(variant)
      const ada = await createPerson(database)
      await plane.service.provision(ada, {})
      await statusIs(plane, ada, 'running')
      expect([...plane.machines.machines.values()].map((machine) => machine.boots)).toEqual([1])
    },
  )

  it('a machine that never becomes ready fails the instance, and a restart boots it anew', async () => {
    const plane = await start({ limits: { neverReadySeconds: 0.5 } })
    plane.driver.behave('never_ready')
    const ada = await createPerson(database)
    const { id } = await plane.service.provision(ada, {})
    const failed = await statusIs(plane, ada, 'failed')
    expect(failed.reason).toMatchObject({
      code: 'never_ready',
      message: expect.stringContaining('restart it'),
    })
    expect(failed.sessionId).toBeNull()
    await eventually(
      async () => plane.machines.countRunning(),
      (count) => count === 0,
    )
    plane.driver.behave('well_behaved')
    await plane.service.restart(ada, id)
    await statusIs(plane, ada, 'running')
  })

  it('a crash loop ends as failed with its cause, and a start tries anew', async () => {
    const plane = await start()
    plane.driver.behave('crashing')
    const ada = await createPerson(database)
    const { id } = await plane.service.provision(ada, {})
    const failed = await statusIs(plane, ada, 'failed')
    expect(failed.reason).toMatchObject({
      code: 'crashed',
      message: expect.stringContaining('5 times in a row'),
    })
    expect(failed.reason?.message).toContain('told to crash')
    expect([...plane.machines.machines.values()][0]?.boots).toBe(5)
    plane.driver.behave('well_behaved')
    await plane.service.start(ada, id)
    await statusIs(plane, ada, 'running')
  })

  it('one crash of a running machine is repaired by itself', async () => {
    const plane = await start()
    const ada = await createPerson(database)
    await plane.service.provision(ada, {})
    await statusIs(plane, ada, 'running')
    const [slot] = await liveSlots()
    plane.machines.crash(slot?.id ?? '', 'gone')
    await database.asSystem((trx) =>
      trx.updateTable('slots').set({ link_connected_at: null, next_reconcile_at: new Date() }).execute(),
    )
    await eventually(
      async () => plane.machines.machines.get(slot?.id ?? '')?.boots,
      (boots) => boots === 2,
    )
    await statusIs(plane, ada, 'running')
  })

  it('without capacity everybody sees their place, and is served in that order', async () => {
    const plane = await start()
    plane.driver.behave('no_capacity')
    const people: Principal[] = []
    for (let index = 0; index < 3; index++) {
      const person = await createPerson(database)
      people.push(person)
      await plane.service.provision(person, {})
      await eventually(liveSlots, (slots) => slots.filter((slot) => slot.waiting_since).length === index + 1)
    }
    for (const [index, person] of people.entries())
      await eventually(
        () => plane.service.getOwn(person),
        (instance) =>
          instance.status === 'provisioning' &&
          instance.reason?.code === 'no_capacity' &&
          instance.reason.message.includes(`number ${index + 1} in the queue`),
      )
    plane.driver.behave('well_behaved')
    for (const person of people) await statusIs(plane, person, 'running')
    const made = [...plane.machines.machines.keys()]
    const order = await Promise.all(
      people.map(async (person) => plane.service.findSlotId(person, (await plane.service.getOwn(person)).id)),
    )
    expect(made).toEqual(order)
  })

  it('what a supervisor reports as failed is shown until a restart, and the machine is left to say why', async () => {
    const plane = await start()
    const ada = await createPerson(database)
    const { id } = await plane.service.provision(ada, {})
    await statusIs(plane, ada, 'running')
    await database.asSystem((trx) =>
      trx
        .updateTable('slots')
        .set({
          ready: false,
          failure_code: 'configuration_invalid',
          failure_message: 'models: expected array',
          next_reconcile_at: new Date(),
        })
        .execute(),
    )
    const failed = await statusIs(plane, ada, 'failed')
    expect(failed.reason?.code).toBe('configuration_invalid')
    expect(plane.machines.countRunning()).toBe(1)
    await plane.service.restart(ada, id)
    await database.asSystem((trx) =>
      trx.updateTable('slots').set({ ready: true, next_reconcile_at: new Date() }).execute(),
    )
    await statusIs(plane, ada, 'running')
  })

  it('goes on when the database drops every connection, again and again', async () => {
    const plane = await start()
    const people = await Promise.all(Array.from({ length: 10 }, () => createPerson(database)))
    const admin = new pg.Client({ connectionString: database.adminUrl })
    await admin.connect()
    const dropAll = () =>
      admin.query(
        'select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()',
      )
    for (const person of people) {
      const click = plane.service.provision(person, {}).catch(() => undefined)
      await dropAll()
      await click
    }
    await admin.end()
    // A click that failed is repeated by the person; one that was kept goes on by itself.
    for (const person of people)
      await eventually(
        () => plane.service.provision(person, {}).catch(() => undefined),
        (instance) => instance !== undefined,
      )
    for (const person of people) await statusIs(plane, person, 'running')
    expect(await liveSlots()).toHaveLength(10)
    await expectNoStrays(plane)
  })

  it('machines stopped with Reef are booted by the next start, except those that a person stopped', async () => {
    const first = await start({ poolSize: 1 })
    const { machines } = first
    const [ada, bob] = [await createPerson(database), await createPerson(database)]
    await first.service.provision(ada, {})
    const { id: bobs } = await first.service.provision(bob, {})
    await statusIs(first, ada, 'running')
    await statusIs(first, bob, 'running')
    await first.service.stop(bob, bobs)
    await statusIs(first, bob, 'stopped')
    await first.reconciler.stop()
    await first.reconciler.stopAllMachines()
    expect(machines.countRunning()).toBe(0)
    expect(await first.service.getOwn(ada)).toMatchObject({ status: 'provisioning', desiredState: 'running' })
    const next = await start({ machines, poolSize: 1 })
    await statusIs(next, ada, 'running')
    expect(await next.service.getOwn(bob)).toMatchObject({ status: 'stopped' })
    await expectNoStrays(next)
  })

  it('a control plane that stops leaves every machine running, and the next one adopts them', async () => {
    const first = await start()
    const { machines } = first
    const ada = await createPerson(database)
    await first.service.provision(ada, {})
    await statusIs(first, ada, 'running')
    await first.reconciler.stop()
    expect(machines.countRunning()).toBe(1)
    const next = await start({ machines, timing: { sweepSeconds: 0.1 } })
    await next.reconciler.settle((await next.service.getOwn(ada)).id)
    expect(await next.service.getOwn(ada)).toMatchObject({ status: 'running' })
    expect([...machines.machines.values()].map((machine) => machine.boots)).toEqual([1])
  })

  it('removes an orphan of a removed slot at once, and a stranger when it is seen twice', async () => {
    const plane = await start({ timing: { sweepSeconds: 0.3 } })
    const ada = await createPerson(database)
    const { id } = await plane.service.provision(ada, {})
    await statusIs(plane, ada, 'running')
    const [slot] = await liveSlots()
    await plane.service.deprovision(ada, id)
    await eventually(plane.driver.list, (listed) => listed.length === 0)
    // As if the removal's success had been a lie, and as if a row had been lost.
    const spec = { ...planeSpec, slotId: slot?.id ?? '' }
    await plane.driver.ensure(spec, null)
    await plane.driver.ensure({ ...planeSpec, slotId: newId() }, null)
    await eventually(plane.driver.list, (listed) => listed.length === 0)
  })

  it('removes nothing while the database knows no slot at all', async () => {
    let sweeps = 0
    const plane = await start({
      timing: { sweepSeconds: 0.05 },
      wrap: (driver) => ({
        ...driver,
        list: () => {
          sweeps += 1
          return driver.list()
        },
      }),
    })
    await plane.driver.ensure({ ...planeSpec, slotId: newId() }, null)
    const before = sweeps
    await eventually(
      async () => sweeps - before,
      (count) => count > 3,
    )
    expect(await plane.driver.list()).toHaveLength(1)
  })

  it('a machine that vanished is made again, for the same slot, with a new one-time credential', async () => {
    const plane = await start({ timing: { sweepSeconds: 0.2 } })
    const ada = await createPerson(database)
    await plane.service.provision(ada, {})
    await statusIs(plane, ada, 'running')
    const [before] = await liveSlots()
    plane.machines.machines.clear()
    await eventually(
      async () => plane.machines.countRunning(before?.id),
      (count) => count === 1,
    )
    await statusIs(plane, ada, 'running')
    const [after] = await liveSlots()
    expect(after?.id).toBe(before?.id)
    expect(after?.bootstrap_serial).toBe(2)
    expect(after?.bootstrap_hash).not.toEqual(before?.bootstrap_hash)
  })

  it('the pool is renewed for another version, also while control planes of both run', async () => {
    const old = await start({ poolSize: 2 })
    const { machines } = old
    const pooled = async () => (await liveSlots()).filter((slot) => slot.state === 'available')
    await eventually(pooled, (slots) => slots.length === 2)
    await start({ machines, poolSize: 2, specVersion: 'test-2' })
    await eventually(
      liveSlots,
      (slots) =>
        slots.length === 2 &&
        slots.every((slot) => slot.state === 'available' && slot.spec_version === 'test-2'),
    )
    await expectNoStrays(old)
    // The old one leaves it at that: nothing was made in the old version since, however often it looked.
    const [oldNode] = await database.asSystem((trx) =>
      trx.selectFrom('nodes').select('id').where('spec_version', '=', 'test-1').execute(),
    )
    const pool = {
      driver: 'fake',
      specVersion: 'test-1',
      size: 2,
      ageSecondsMax: 60,
      nodeSilenceSecondsMax: 15,
      refillPauseSeconds: 0,
    }
    expect(await tendPool(database, oldNode?.id ?? '', pool)).toBe(0)
  })

  it('a claim waits for a warm slot that somebody only looks at, instead of booting another', async () => {
    const plane = await start({ poolSize: 1 })
    const person = await createPerson(database)
    const [slot] = await eventually(liveSlots, (slots) => slots.some((each) => each.state === 'available'))
    const looking = database.asSystem(async (trx) => {
      await trx
        .selectFrom('slots')
        .select('id')
        .where('id', '=', slot?.id ?? '')
        .forUpdate()
        .execute()
      await sql`select pg_sleep(0.04)`.execute(trx)
    })
    const [{ id }] = await Promise.all([plane.service.provision(person, {}), looking])
    expect(await plane.service.findSlotId(person, id)).toBe(slot?.id)
  })

  it('the pool is not refilled right after a claim, so that the first turn has the machine to itself', async () => {
    const plane = await start()
    const person = await createPerson(database)
    await plane.service.provision(person, {})
    const pool = {
      driver: 'fake',
      specVersion: 'test-1',
      size: 1,
      ageSecondsMax: 60,
      nodeSilenceSecondsMax: 15,
    }
    expect(await tendPool(database, newId(), { ...pool, refillPauseSeconds: 60 })).toBe(0)
    expect(await tendPool(database, newId(), { ...pool, refillPauseSeconds: 0 })).toBe(1)
  })

  it('a pool whose slots fail is not refilled in a hurry', async () => {
    const plane = await start({ poolSize: 1 })
    plane.driver.behave('crashing')
    await database.asSystem((trx) => trx.updateTable('slots').set({ attempts: 4 }).execute())
    await eventually(
      () => database.asSystem((trx) => trx.selectFrom('slots').selectAll().execute()),
      (slots) => slots.some((slot) => slot.state === 'removed' && slot.failure_code === 'crashed'),
    )
    const slots = await database.asSystem((trx) => trx.selectFrom('slots').selectAll().execute())
    expect(slots).toHaveLength(1)
  })
})

const planeSpec = {
  specVersion: 'test-1',
  linkUrl: 'ws://127.0.0.1:1/link',
  bootstrapToken: null,
  limits: { memoryMebibytes: 1, cpus: 1, pids: 1 },
}
