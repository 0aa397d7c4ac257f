import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import {
  createPerson,
  eventually,
  startControlPlane,
  type TestControlPlane,
  type TestControlPlaneOptions,
} from '../../../test/support/control-plane.ts'
import { createTestDatabase, type TestDatabase } from '../../../test/support/database.ts'
import { newId } from '../../ids.ts'

describe('an instance', () => {
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
    // Each test has its own pretended machines, so it starts without the slots of the last one.
    await database.asSystem(async (trx) => {
      await trx.deleteFrom('sessions').execute()
      await trx.deleteFrom('slots').execute()
      await trx.deleteFrom('instances').execute()
      await trx.deleteFrom('nodes').execute()
    })
  })
  afterAll(() => database.drop())

  const available = (count: number) =>
    eventually(
      () =>
        database.asSystem((trx) =>
          trx.selectFrom('slots').select('id').where('state', '=', 'available').execute(),
        ),
      (slots) => slots.length === count,
    )

  it('is provisioned, stopped, started and deleted', async () => {
    const plane = await start()
    const ada = await createPerson(database)
    const provisioned = await plane.service.provision(ada, {})
    expect(provisioned).toMatchObject({ status: 'provisioning', desiredState: 'running', name: 'OpenClaw' })
    expect(provisioned.slug).toMatch(/^ada-lovelace-[a-z0-9]{6}$/)
    const running = await eventually(
      () => plane.service.getOwn(ada),
      (instance) => instance.status === 'running',
    )
    expect(running.steps.map((step) => step.name)).toEqual([
      'requested',
      'slot_claimed',
      'machine_started',
      'openclaw_ready',
      'running',
    ])
    expect(running.steps.every((step) => step.finishedAt !== null)).toBe(true)
    expect(running.openclawVersion).toBe('fake')
    expect(running.sessionId).not.toBeNull()

    await plane.service.stop(ada, running.id)
    const stopped = await eventually(
      () => plane.service.getOwn(ada),
      (instance) => instance.status === 'stopped',
    )
    expect(stopped.sessionId).toBeNull()
    expect(plane.machines.countRunning()).toBe(0)

    await plane.service.start(ada, running.id)
    await eventually(
      () => plane.service.getOwn(ada),
      (instance) => instance.status === 'running',
    )
    await plane.service.deprovision(ada, running.id)
    await eventually(
      () => plane.service.list(ada),
      (instances) => instances.length === 0,
    )
    await eventually(plane.driver.list, (machines) => machines.length === 0)
  })

  it('runs at once when the pool holds a slot, and the pool refills', async () => {
    const plane = await start({ poolSize: 1 })
    const ada = await createPerson(database)
    const [warm] = await available(1)
    const provisioned = await plane.service.provision(ada, {})
    expect(provisioned.status).toBe('running')
    expect(await plane.service.findSlotId(ada, provisioned.id)).toBe(warm?.id)
    await available(1)
  })

  it('is one and the same for clicks that are doubled twenty times', async () => {
    const plane = await start({ poolSize: 1 })
    const ada = await createPerson(database)
    const clicks = await Promise.all(Array.from({ length: 20 }, () => plane.service.provision(ada, {})))
    expect(new Set(clicks.map((instance) => instance.id)).size).toBe(1)
    expect(await plane.service.list(ada)).toHaveLength(1)
  })

  it('does not exist for strangers, nor for colleagues who do not administer the organization', async () => {
    const plane = await start()
    const ada = await createPerson(database)
    const stranger = await createPerson(database)
    const colleague = await createPerson(database, { organizationId: ada.organizationId, role: 'member' })
    const { id } = await plane.service.provision(ada, {})
    const missing = await plane.service.get(ada, newId()).catch((error) => error)
    for (const outsider of [stranger, colleague]) {
      expect(await plane.service.list(outsider)).toEqual([])
      expect(await plane.service.findOwn(outsider)).toBeUndefined()
      for (const act of ['get', 'start', 'stop', 'restart', 'deprovision', 'findSlotId'] as const) {
        const refusal = await plane.service[act](outsider, id).catch((error) => error)
        expect(refusal).toMatchObject({ kind: 'notFound', code: missing.code, message: missing.message })
      }
      await expect(plane.service.samples(outsider, id, 5)).rejects.toMatchObject({ kind: 'notFound' })
    }
    expect((await plane.service.get(ada, id)).desiredState).toBe('running')
  })
})
