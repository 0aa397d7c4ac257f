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
    await clearInstances(database)
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
    const plane = await start({ bootMilliseconds: 200 })
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
      'credits_checked',
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

  it('is restarted once per restart, and runs only when that is done', async () => {
    const plane = await start()
    const ada = await createPerson(database)
    const { id } = await plane.service.provision(ada, {})
    const isRunning = () =>
      eventually(
        () => plane.service.get(ada, id),
        (instance) => instance.status === 'running',
      )
    const { sessionId } = await isRunning()
    await plane.service.restart(ada, id)
    // However quick the machine is: whenever the instance says that it runs, OpenClaw has restarted.
    const seen = await eventually(
      () =>
        database.asSystem((trx) =>
          trx
            .selectFrom('instances')
            .innerJoin('slots', 'slots.instance_id', 'instances.id')
            .select(['instances.status', 'instances.restart_generation', 'slots.applied_restart_generation'])
            .executeTakeFirstOrThrow(),
        ),
      (row) => row.status === 'running',
    )
    expect(seen).toMatchObject({ restart_generation: 1, applied_restart_generation: 1 })
    expect((await isRunning()).sessionId).toBe(sessionId)
    const slots = await database.asSystem((trx) => trx.selectFrom('slots').selectAll().execute())
    expect(slots).toMatchObject([{ restart_generation: 1, applied_restart_generation: 1 }])
  })

  it('stays stopped after a person stopped it, whatever happens to machines and control planes', async () => {
    const plane = await start({ poolSize: 1 })
    const ada = await createPerson(database)
    await available(1)
    const { id } = await plane.service.provision(ada, {})
    await plane.service.stop(ada, id)
    const isStopped = (target: TestControlPlane) =>
      eventually(
        () => target.service.get(ada, id),
        (instance) => instance.status === 'stopped',
      )
    await isStopped(plane)
    const slotId = (await plane.service.findSlotId(ada, id)) as string // a stopped instance keeps its slot
    const { boots } = plane.machines.machines.get(slotId) as { boots: number } // and its machine
    // Late news of a supervisor, and another control plane that looks at everything.
    await database.asSystem((trx) =>
      trx
        .updateTable('slots')
        .set({ ready: true, warm: true, next_reconcile_at: new Date() })
        .where('id', '=', slotId)
        .execute(),
    )
    const other = await start({ machines: plane.machines })
    await other.targets.findByCaller(ada)
    await other.sessions.list(ada)
    await other.reconciler.settle(id)
    expect((await isStopped(other)).desiredState).toBe('stopped')
    expect(plane.machines.machines.get(slotId)?.boots).toBe(boots)
    expect(plane.machines.machines.get(slotId)?.running).toBe(false)
  })

  it('refuses what its state does not allow and says what it does allow', async () => {
    const plane = await start()
    const ada = await createPerson(database)
    const { id } = await plane.service.provision(ada, {})
    await plane.service.stop(ada, id)
    await eventually(
      () => plane.service.get(ada, id),
      (instance) => instance.status === 'stopped',
    )
    await expect(plane.service.restart(ada, id)).rejects.toMatchObject({
      kind: 'conflict',
      code: 'action_not_possible',
      message: 'The instance is stopped, so it cannot restart. Possible now: start, upgrade, delete.',
    })
    expect((await plane.service.stop(ada, id)).status).toBe('stopped')
  })

  it('can be replaced at once while the old one is still being deleted', async () => {
    const plane = await start()
    const ada = await createPerson(database)
    const first = await plane.service.provision(ada, {})
    await plane.service.deprovision(ada, first.id)
    const second = await plane.service.provision(ada, {})
    expect(second.id).not.toBe(first.id)
    await eventually(
      () => plane.service.list(ada),
      (instances) => instances.length === 1 && instances[0]?.status === 'running',
    )
    expect(await plane.driver.list()).toHaveLength(1)
  })

  it('serves one person only where nothing isolates people, unless the operator opts in by name', async () => {
    const isolatesNothing = { capabilities: { isolation: 'none' as const } }
    const plane = await start(isolatesNothing)
    const [ada, bob] = [await createPerson(database), await createPerson(database)]
    await plane.service.provision(ada, {})
    const refusal = plane.service.provision(bob, {})
    await expect(refusal).rejects.toMatchObject({ kind: 'conflict', code: 'process_driver_single_user' })
    await expect(refusal).rejects.toThrow(/REEF_PROCESS_DRIVER_MULTI_USER/)
    expect(await plane.service.list(bob)).toEqual([])
    const open = await start({ ...isolatesNothing, machines: plane.machines, multiUser: true })
    expect(await open.service.provision(bob, {})).toMatchObject({ isolation: 'none' })
  })

  it('serves one person only even when twelve come at the same moment', async () => {
    const plane = await start({ capabilities: { isolation: 'none' } })
    const people = await Promise.all(Array.from({ length: 12 }, () => createPerson(database)))
    const results = await Promise.allSettled(people.map((person) => plane.service.provision(person, {})))
    expect(results.filter((result) => result.status === 'fulfilled')).toHaveLength(1)
    const owners = await database.asSystem((trx) =>
      trx.selectFrom('instances').select('owner_user_id').where('desired_state', '<>', 'deleted').execute(),
    )
    expect(owners).toHaveLength(1)
  })

  it('has one open session while it runs, which ends with it', async () => {
    const plane = await start()
    const ada = await createPerson(database)
    const { session, instance } = await plane.sessions.launch(ada)
    expect(session).toMatchObject({ instanceId: instance.id, closedAt: null })
    expect((await plane.sessions.launch(ada)).session.id).toBe(session.id)
    await eventually(
      () => plane.service.get(ada, instance.id),
      (now) => now.status === 'running' && now.sessionId === session.id,
    )
    expect(await plane.targets.findBySession(ada, session.id)).toMatchObject({ instanceId: instance.id })
    await plane.service.stop(ada, instance.id)
    expect(await plane.sessions.get(ada, session.id)).toMatchObject({ closeReason: 'stopped' })
    const stranger = await createPerson(database)
    await expect(plane.sessions.get(stranger, session.id)).rejects.toMatchObject({ kind: 'notFound' })
    expect(await plane.targets.findBySession(stranger, session.id)).toBeUndefined()
    await plane.sessions.launch(ada)
    expect(await plane.sessions.list(ada)).toHaveLength(2)
  })

  it('is found by the proxy and the model gateway, which see a change well within a second', async () => {
    const plane = await start({ poolSize: 1 })
    const ada = await createPerson(database)
    const [pooled] = await available(1)
    const slotId = pooled?.id as string // there is one
    expect(await plane.callers.findBySlot(slotId)).toMatchObject({ slotState: 'available', instanceId: null })
    expect(await plane.targets.findByCaller(ada)).toBeUndefined()
    const { id, slug, sessionId } = await plane.service.provision(ada, {})
    await eventually(
      async () => [await plane.targets.findByCaller(ada), await plane.callers.findBySlot(slotId)] as const,
      ([target, caller]) => target?.ready === true && caller?.slotState === 'assigned',
      0.9,
    )
    expect(await plane.targets.findBySlug(slug)).toMatchObject({ instanceId: id, slotId, ready: true })
    expect(await plane.callers.findBySlot(slotId)).toEqual({
      slotId,
      slotState: 'assigned',
      organizationId: ada.organizationId,
      userId: ada.userId,
      instanceId: id,
      sessionId,
    })
    expect(await plane.targets.mayVisit(ada.userId, id)).toBe(true)
    expect(await plane.targets.mayVisit((await createPerson(database)).userId, id)).toBe(false)
    expect(await plane.callers.findBySlot('nonsense')).toBeUndefined()
    await plane.service.deprovision(ada, id)
    await eventually(
      async () => [await plane.targets.findBySlug(slug), await plane.callers.findBySlot(slotId)],
      (answers) => answers.every((answer) => answer === undefined),
      0.9,
    )
  })
})
