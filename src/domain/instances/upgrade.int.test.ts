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

describe('upgrading an instance', () => {
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

  const until = (plane: TestControlPlane, person: Principal, outcome: string) =>
    eventually(
      () => plane.service.getOwn(person),
      (instance) => instance.upgrade?.outcome === outcome && instance.status === 'running',
    )
  /** An instance made by an older Reef, seen by a newer one. */
  const onOldSoftware = async (newer: TestControlPlaneOptions) => {
    const older = await start({ specVersion: 'v1' })
    const person = await createPerson(database)
    const { id } = await older.service.provision(person, {})
    await eventually(
      () => older.service.getOwn(person),
      (instance) => instance.status === 'running',
    )
    const machine = [...older.machines.machines.values()][0]
    machine?.state.set('note', 'kept')
    await older.close()
    planes.splice(0)
    const plane = await start({ machines: older.machines, specVersion: 'v2', ...newer })
    return { person, id, plane, machine }
  }

  it('is offered once there is newer software, keeps state and address, and is then over', async () => {
    const backedUp: string[] = []
    const { person, id, plane, machine } = await onOldSoftware({
      backUpBeforeUpgrade: async (instanceId) => void backedUp.push(instanceId),
    })
    const before = await plane.service.getOwn(person)
    expect(before.actions).toContain('upgrade')
    await plane.service.upgrade(person, id)
    const after = await until(plane, person, 'succeeded')
    expect(backedUp).toEqual([id])
    expect(after).toMatchObject({ url: before.url, upgrade: { from: 'v1', to: 'v2', message: null } })
    expect([machine?.specVersion, machine?.state.get('note'), machine?.boots]).toEqual(['v2', 'kept', 2])
    expect(after.actions).not.toContain('upgrade')
    await expect(plane.service.upgrade(person, id)).rejects.toMatchObject({ code: 'up_to_date' })
  })

  it('to software that never becomes healthy is rolled back by itself, with data and address unchanged', async () => {
    const { person, id, plane, machine } = await onOldSoftware({ isBroken: (spec) => spec === 'v2' })
    const before = await plane.service.getOwn(person)
    await plane.service.upgrade(person, id)
    await eventually(
      async () => machine?.specVersion,
      (spec) => spec === 'v2',
    )
    // Patience runs out, without three minutes of waiting for it.
    await database.asSystem((trx) =>
      sql`update slots set upgrade_until = now(), next_reconcile_at = now() where upgrade_until is not null`.execute(
        trx,
      ),
    )
    const after = await until(plane, person, 'rolled_back')
    expect(after).toMatchObject({
      url: before.url,
      upgrade: { to: 'v2', message: expect.stringContaining('did not become ready') },
    })
    expect([machine?.specVersion, machine?.state.get('note')]).toEqual(['v1', 'kept'])
    // It may be tried again.
    expect(after.actions).toContain('upgrade')
    await plane.service.upgrade(person, id)
    await eventually(
      () => plane.service.getOwn(person),
      (instance) => instance.upgrade?.outcome === 'under_way',
    )
  })

  it('does not begin without a backup to go back to', async () => {
    const { person, id, plane, machine } = await onOldSoftware({
      backUpBeforeUpgrade: async () => {
        throw new Error('the store is away')
      },
    })
    await expect(plane.service.upgrade(person, id)).rejects.toThrow('the store is away')
    expect((await plane.service.getOwn(person)).upgrade).toBeNull()
    expect(machine?.specVersion).toBe('v1')
  })

  it('of one that its owner stopped starts it with the new software', async () => {
    const { person, id, plane, machine } = await onOldSoftware({})
    await plane.service.stop(person, id)
    await eventually(
      () => plane.service.getOwn(person),
      (instance) => instance.status === 'stopped',
    )
    await plane.service.upgrade(person, id)
    await until(plane, person, 'succeeded')
    expect(machine?.specVersion).toBe('v2')
  })
})
