import { sql } from 'kysely'
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
import type { Principal } from '../accounts/principal.ts'
import type { Instance } from './instance.ts'

describe('the idle ladder', () => {
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

  const until = (plane: TestControlPlane, person: Principal, isRight: (instance: Instance) => boolean) =>
    eventually(() => plane.service.getOwn(person), isRight)
  const running = async (plane: TestControlPlane) => {
    const person = await createPerson(database)
    await plane.service.provision(person, {})
    const { id } = await until(plane, person, ({ status }) => status === 'running')
    return { person, id }
  }
  const machineOf = (plane: TestControlPlane) => {
    const [machine] = plane.machines.machines.values()
    if (!machine) throw new Error('there is no machine')
    return machine
  }
  const setSlots = (columns: string) =>
    database.asSystem((trx) => sql`update slots set ${sql.raw(columns)}`.execute(trx))
  /** As if nobody had used it for so long. */
  const idleFor = (seconds: number) =>
    database.asSystem((trx) =>
      sql`update instances set next_reconcile_at = now(), last_active_at = now() - make_interval(secs => ${seconds}),
        rung_since = now() - make_interval(secs => ${seconds}),
        running_since = running_since - make_interval(secs => ${seconds})`.execute(trx),
    )
  const never = { suspended: null, frozen: null, frozen_on_disk: null, stopped: null }

  it('lets who is not used down from rung to rung, and says what that means', async () => {
    const idle = { suspended: 60, frozen: 600, frozen_on_disk: 3600, stopped: 7200 }
    const plane = await start({ idle })
    const { person } = await running(plane)
    const at = (rung: string) => until(plane, person, ({ sleep }) => sleep?.rung === rung)
    await idleFor(61)
    await at('suspended')
    await eventually(
      async () => machineOf(plane),
      ({ suspended }) => suspended,
    )
    await idleFor(601)
    await at('frozen')
    await idleFor(3601)
    await at('frozen_on_disk')
    await eventually(
      async () => machineOf(plane),
      ({ frozen }) => frozen === 'disk',
    )
    await idleFor(7201)
    const asleep = await until(plane, person, ({ status, sleep }) => status === 'stopped' && sleep !== null)
    expect(asleep).toMatchObject({
      desiredState: 'running',
      actions: ['start', 'open', 'chat', 'stop', 'delete'],
      sleep: { rung: 'stopped', wakesAt: null, billed: expect.any(String), survives: expect.any(String) },
    })
    expect(machineOf(plane)).toMatchObject({ running: false, boots: 1 })
  })

  it('does not let down who has a turn under way, and does once it is over', async () => {
    const plane = await start({ idle: never })
    const { person, id } = await running(plane)
    await setSlots('turns_in_flight = 1')
    const quick = await start({ machines: plane.machines, idle: { ...never, suspended: 60 } })
    await idleFor(120)
    for (let looks = 0; looks < 5; looks++) await quick.reconciler.settle(id)
    expect((await plane.service.getOwn(person)).status).toBe('running')
    await setSlots('turns_in_flight = 0')
    await eventually(
      async () => {
        await quick.reconciler.settle(id)
        return plane.service.getOwn(person)
      },
      ({ status }) => status === 'suspended',
    )
  })

  it('lets a person send it to sleep and wake it, and nothing of it starts anew', async () => {
    const plane = await start({ idle: never })
    const { person, id } = await running(plane)
    const before = await plane.service.get(person, id)
    expect(before.actions).toContain('suspend')
    await plane.service.suspend(person, id)
    const suspended = await until(plane, person, ({ status }) => status === 'suspended')
    expect(suspended).toMatchObject({ desiredState: 'running', sleep: { rung: 'suspended' } })
    // Its memory is where it was, so it is as ready as it was.
    const seen = new Set<string>()
    await plane.service.start(person, id)
    const awake = await until(plane, person, ({ status }) => {
      seen.add(status)
      return status === 'running'
    })
    expect(seen).not.toContain('provisioning')
    expect(awake.sleep).toBeNull()
    expect(awake.steps).toEqual(before.steps)
    expect(machineOf(plane).boots).toBe(1)
  })

  it('wakes by itself for what its OpenClaw plans, in time', async () => {
    const plane = await start({ idle: never })
    const { person, id } = await running(plane)
    const dueAt = new Date(Date.now() + 3_500)
    await setSlots(`next_wake_at = '${dueAt.toISOString()}'`)
    await plane.service.suspend(person, id)
    const asleep = await until(plane, person, ({ status }) => status === 'suspended')
    // Nothing of it was due when it fell asleep but a moment later.
    expect(asleep.sleep?.wakesAt).toBe(dueAt.toISOString())
    await until(plane, person, ({ status }) => status === 'running')
    expect(Date.now()).toBeLessThan(dueAt.getTime())
  })

  it('is woken once, however many ask at however many control planes', async () => {
    let resumes = 0
    const wrap: TestControlPlaneOptions['wrap'] = (driver) => ({
      ...driver,
      resume: async (handle) => {
        resumes += 1
        await driver.resume?.(handle)
      },
    })
    const one = await start({ idle: never, wrap })
    const other = await start({ idle: never, wrap, machines: one.machines })
    const { person, id } = await running(one)
    await one.service.suspend(person, id)
    await until(one, person, ({ status }) => status === 'suspended')
    await Promise.all(
      Array.from({ length: 50 }, (_, index) => (index % 2 ? one : other).attendance.wake(id, 'person')),
    )
    await until(other, person, ({ status }) => status === 'running')
    expect(resumes).toBe(1)
  })

  it('never undoes a stop by a person, however traffic races with it', async () => {
    const one = await start({ idle: never })
    const other = await start({ idle: never, machines: one.machines })
    const { person, id } = await running(one)
    for (let round = 0; round < 10; round++) {
      await one.service.suspend(person, id)
      await Promise.all([
        other.attendance.wake(id, 'person'),
        one.service.stop(person, id),
        one.attendance.wake(id, 'person'),
        other.attendance.wake(id, 'program'),
      ])
      other.attendance.seen(id)
      await other.attendance.wake(id, 'person')
      const stopped = await until(one, person, ({ status }) => status === 'stopped')
      expect(stopped).toMatchObject({ desiredState: 'stopped', sleep: null })
      expect(machineOf(one).running).toBe(false)
      await one.service.start(person, id)
      await until(one, person, ({ status }) => status === 'running')
    }
  })

  it('wakes what was used just as it fell asleep', async () => {
    const plane = await start({ idle: never })
    const { person, id } = await running(plane)
    await database.asSystem((trx) =>
      sql`update instances set rung = 'suspended', rung_since = clock_timestamp() - interval '1 second'
        where id = ${id}`.execute(trx),
    )
    await plane.reconciler.settle(id)
    await until(plane, person, ({ status }) => status === 'suspended')
    plane.attendance.seen(id)
    await until(plane, person, ({ status }) => status === 'running')
  })

  it('leaves alone who was used before a person sent it to sleep', async () => {
    const plane = await start({ idle: never })
    const { person, id } = await running(plane)
    // The first is written at once, the second with those that come within the next seconds.
    plane.attendance.seen(id)
    plane.attendance.seen(id)
    await plane.service.suspend(person, id)
    await until(plane, person, ({ status }) => status === 'suspended')
    await plane.attendance.close()
    expect((await plane.service.getOwn(person)).sleep?.rung).toBe('suspended')
  })

  it('goes on after the control plane that let it down has ended', async () => {
    const doomed = await start({ idle: never })
    const { person, id } = await running(doomed)
    await doomed.service.suspend(person, id)
    await until(doomed, person, ({ status }) => status === 'suspended')
    await doomed.kill()
    planes.splice(planes.indexOf(doomed), 1)
    const next = await start({ idle: never, machines: doomed.machines })
    await next.attendance.wake(id, 'person')
    await until(next, person, ({ status }) => status === 'running')
    expect(machineOf(next).boots).toBe(1)
  })

  it('removes a machine only when a backup keeps what it held, and gives another one on waking', async () => {
    let fresh = false
    let asked = 0
    const archive = {
      hasFreshBackup: async () => fresh,
      backUp: async () => {
        asked += 1
      },
    }
    const plane = await start({ idle: { ...never, stopped: 3600, archived: 7200 }, archive })
    const { person, id } = await running(plane)
    await idleFor(86_400)
    await until(plane, person, ({ status, sleep }) => status === 'stopped' && sleep?.rung === 'stopped')
    await eventually(
      async () => {
        await plane.reconciler.settle(id)
        return asked
      },
      (count) => count > 0,
    )
    expect(plane.machines.machines.size).toBe(1)
    fresh = true
    await eventually(
      async () => {
        await plane.reconciler.settle(id)
        return plane.machines.machines.size
      },
      (machines) => machines === 0,
    )
    expect(await plane.service.getOwn(person)).toMatchObject({ id, sleep: { rung: 'archived' } })
    await plane.attendance.wake(id, 'person')
    await until(plane, person, ({ status }) => status === 'running')
  })

  it('is not offered where machines cannot be suspended', async () => {
    const plane = await start({ capabilities: { suspend: false, freeze: false }, idle: { suspended: 0.1 } })
    const { person, id } = await running(plane)
    await plane.reconciler.settle(id)
    const instance = await plane.service.get(person, id)
    expect(instance).toMatchObject({ status: 'running', sleep: null })
    expect(instance.actions).not.toContain('suspend')
    await expect(plane.service.suspend(person, id)).rejects.toMatchObject({ code: 'suspend_not_possible' })
  })
})
