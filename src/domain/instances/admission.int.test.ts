import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import {
  clearInstances,
  createPerson,
  eventually,
  startControlPlane,
  type TestControlPlane,
} from '../../../test/support/control-plane.ts'
import { createTestDatabase, type TestDatabase } from '../../../test/support/database.ts'
import type { Principal } from '../accounts/principal.ts'

const gibibyte = 1024 ** 3
const memoryNeeds = {
  bootBytes: gibibyte,
  workingSetBytes: 0.5 * gibibyte,
  reserveBytesMin: gibibyte,
  reserveShare: 0,
  diskReserveBytesMin: gibibyte,
  diskReserveShare: 0.05,
}
const never = { suspended: null, frozen: null, frozen_on_disk: null, stopped: null }

describe('admission', () => {
  let database: TestDatabase
  const planes: TestControlPlane[] = []
  /** Every machine that moves takes one gibibyte, one that sleeps frozen nothing. */
  const startOnHostOf = async (gibibytes: number, count = 1) => {
    const hosts = async () => {
      const all = [...(planes[0]?.machines.machines.values() ?? [])]
      const slots = all.map((machine) => ({
        slotId: machine.slotId,
        residentBytes: machine.running && machine.frozen === null ? gibibyte : 0,
        swappedBytes: 0,
        paused: machine.suspended,
      }))
      const used = slots.reduce((sum, slot) => sum + slot.residentBytes, 0)
      return [
        {
          name: 'one',
          state: 'active' as const,
          memoryTotalBytes: gibibytes * gibibyte,
          memoryAvailableBytes: gibibytes * gibibyte - used,
          swapTotalBytes: 100 * gibibyte,
          swapFreeBytes: 100 * gibibyte,
          zramTotalBytes: 0,
          diskTotalBytes: 0,
          diskFreeBytes: 0,
          cpus: 4,
          slots,
        },
      ]
    }
    for (let started = 0; started < count; started++) {
      const machines = planes[0] ? { machines: planes[0].machines } : {}
      planes.push(
        await startControlPlane(database.loginUrl, { ...machines, hosts, memoryNeeds, idle: never }),
      )
    }
    const plane = planes[0] as TestControlPlane // one was just started
    return { plane, other: planes.at(-1) ?? plane, machines: plane.machines }
  }

  beforeAll(async () => {
    database = await createTestDatabase()
  })
  afterEach(async () => {
    for (const plane of planes.splice(0)) await plane.close()
    await clearInstances(database)
  })
  afterAll(() => database.drop())

  const until = (plane: TestControlPlane, person: Principal, status: string) =>
    eventually(
      () => plane.service.getOwn(person),
      (instance) => instance.status === status,
    )
  const newcomer = async (plane: TestControlPlane) => {
    const person = await createPerson(database)
    const { id } = await plane.service.provision(person, {})
    return { person, id }
  }

  it('lets nobody on to a full host, says their place in the queue, and lets them on as soon as there is room', async () => {
    const { plane, machines } = await startOnHostOf(3)
    const people = []
    for (let count = 0; count < 2; count++) {
      const one = await newcomer(plane)
      await until(plane, one.person, 'running')
      people.push(one)
    }
    const [third, fourth] = [await newcomer(plane), await newcomer(plane)]
    const place = (person: Principal, number: number) =>
      eventually(
        () => plane.service.getOwn(person),
        ({ reason }) =>
          reason?.code === 'no_capacity' && reason.message.includes(`number ${number} in the queue`),
      )
    await place(third.person, 1)
    await place(fourth.person, 2)
    expect(machines.countRunning()).toBe(2)
    const [first] = people
    if (!first) throw new Error('nobody is there')
    await plane.service.stop(first.person, first.id)
    await until(plane, third.person, 'running')
    await place(fourth.person, 1)
  })

  it('does not count those who sleep frozen, and wakes them only where they fit', async () => {
    const { plane } = await startOnHostOf(2.9)
    const first = await newcomer(plane)
    await until(plane, first.person, 'running')
    await plane.service.suspend(first.person, first.id)
    await until(plane, first.person, 'suspended')
    // Merely standing still it keeps its memory: it is frozen early, to make room.
    const second = await newcomer(plane)
    await until(plane, second.person, 'running')
    expect((await plane.service.getOwn(first.person)).sleep?.rung).toBe('frozen')
    const third = await newcomer(plane)
    await eventually(
      () => plane.service.getOwn(third.person),
      ({ reason }) => reason?.code === 'no_capacity',
    )
    await plane.service.deprovision(third.person, third.id)
    await plane.attendance.wake(first.id, 'person')
    await until(plane, first.person, 'running')
  })

  it('of two control planes never lets two on to room for one', async () => {
    const { plane, other, machines } = await startOnHostOf(2, 2)
    const people = await Promise.all([plane, other, plane, other].map(newcomer))
    await eventually(
      () => Promise.all(people.map(({ person }) => plane.service.getOwn(person))),
      (all) =>
        all.filter(({ status }) => status === 'running').length === 1 &&
        all.filter(({ reason }) => reason?.code === 'no_capacity').length === 3,
    )
    expect(machines.countRunning()).toBe(1)
  })
})
