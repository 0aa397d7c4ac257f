import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { ComputeDriver, Handle, Observation, SlotSpec } from '../domain/instances/compute.ts'
import { newId } from '../ids.ts'

/** What the suite needs beside the driver: a look at the machines from outside, and a hand to break them. */
export interface ConformanceSubject {
  /** A driver that knows nothing but what the machines themselves tell: a control plane that has just started. */
  open(): ComputeDriver
  /** How many machines run for the slot, counted without the driver. */
  countRunning(slotId: string): Promise<number>
  /** How often the slot's machine has booted in its life. */
  countBoots(slotId: string): Promise<number>
  /** Puts a text into the slot's state and reads it back; undefined when there is no state. */
  writeState(slotId: string, text: string): Promise<void>
  readState(slotId: string): Promise<string | undefined>
  /** Makes the running machine end by itself. */
  crash(slotId: string): Promise<void>
  /** Makes the running machine deaf to a polite stop. */
  ignoreStop(slotId: string): Promise<void>
  dispose(): Promise<void>
}

/** The contract of `ComputeDriver` as tests: every driver passes the same ones. */
export function describeConformance(name: string, makeSubject: () => Promise<ConformanceSubject>): void {
  describe(`compute driver ${name}`, () => {
    let subject: ConformanceSubject
    let driver: ComputeDriver
    beforeEach(async () => {
      subject = await makeSubject()
      driver = subject.open()
    })
    afterEach(async () => {
      for (const { handle } of await driver.list()) await driver.remove(handle)
      await subject.dispose()
    })

    const running = async (spec: SlotSpec): Promise<Handle> => {
      const handle = await driver.ensure(spec, null)
      await observed(driver, handle, 'running')
      return handle
    }

    const expectBoots = (slotId: string, count: number) =>
      expect.poll(() => subject.countBoots(slotId), { timeout: 10_000 }).toBe(count)

    test('a slot that was never made is absent, and stopping or removing it is success', async () => {
      const spec = newSpec()
      const handle = await running(spec)
      await driver.remove(handle)
      expect(await driver.observe(handle)).toEqual({ phase: 'absent' })
      await driver.stop(handle, { graceSeconds: 0 })
      await driver.remove(handle)
      expect(await driver.list()).toEqual([])
    })

    test('ensure called again finds the machine that it made', async () => {
      const spec = newSpec()
      const first = await running(spec)
      const second = await driver.ensure(spec, first)
      expect(await driver.observe(second)).toEqual(await driver.observe(first))
      expect(await subject.countRunning(spec.slotId)).toBe(1)
    })

    test('twenty concurrent ensures of two control planes make one machine', async () => {
      const spec = newSpec()
      const other = subject.open()
      const handles = await Promise.all(
        Array.from({ length: 20 }, (_, index) => (index % 2 ? other : driver).ensure(spec, null)),
      )
      const addresses = new Set<string | undefined>()
      for (const handle of handles) addresses.add((await observed(driver, handle, 'running')).address)
      expect([...addresses]).toHaveLength(1)
      expect(await subject.countRunning(spec.slotId)).toBe(1)
      expect(await driver.list()).toHaveLength(1)
    })

    test('a new control plane adopts a machine whose handle was lost on the way', async () => {
      const spec = newSpec()
      const lost = await running(spec)
      const successor = subject.open()
      const adopted = await successor.ensure({ ...spec, linkUrl: 'ws://127.0.0.1:2/link' }, null)
      expect(await successor.observe(adopted)).toEqual(await driver.observe(lost))
      expect(await subject.countRunning(spec.slotId)).toBe(1)
    })

    test('a running machine has an address', async () => {
      const handle = await running(newSpec())
      expect((await driver.observe(handle)).address).toMatch(/^https?:\/\//)
    })

    test('stop keeps the state, and ensure after it runs the same slot with that state', async () => {
      const spec = newSpec()
      const handle = await running(spec)
      await subject.writeState(spec.slotId, 'kept')
      await driver.stop(handle, { graceSeconds: 5 })
      const stopped = await driver.observe(handle)
      expect(stopped.phase).toBe('exited')
      expect(stopped.failure).toBeUndefined()
      expect(await subject.countRunning(spec.slotId)).toBe(0)
      expect((await driver.list()).map((slot) => slot.slotId)).toEqual([spec.slotId])
      const again = await driver.ensure({ ...spec, bootstrapToken: null }, handle)
      await observed(driver, again, 'running')
      expect(await subject.readState(spec.slotId)).toBe('kept')
      expect(await subject.countRunning(spec.slotId)).toBe(1)
    })

    test('stop of a stopped slot is success', async () => {
      const handle = await running(newSpec())
      await driver.stop(handle, { graceSeconds: 5 })
      await driver.stop(handle, { graceSeconds: 5 })
      expect((await driver.observe(handle)).phase).toBe('exited')
    })

    test('stop waits for the grace, then kills', async () => {
      const spec = newSpec()
      const handle = await running(spec)
      await subject.ignoreStop(spec.slotId)
      const startedAt = performance.now()
      await driver.stop(handle, { graceSeconds: 1 })
      expect(performance.now() - startedAt).toBeGreaterThanOrEqual(950)
      expect(await subject.countRunning(spec.slotId)).toBe(0)
      expect((await driver.observe(handle)).phase).toBe('exited')
    })

    test('remove takes machine and state, also while it runs, and twice', async () => {
      const spec = newSpec()
      const handle = await running(spec)
      await subject.writeState(spec.slotId, 'gone')
      await driver.remove(handle)
      expect(await subject.countRunning(spec.slotId)).toBe(0)
      expect(await subject.readState(spec.slotId)).toBeUndefined()
      await driver.remove(handle)
      expect(await driver.observe(handle)).toEqual({ phase: 'absent' })
    })

    test('a crash is seen as one, says why, and ensure brings the slot back with its state', async () => {
      const spec = newSpec()
      const handle = await running(spec)
      await subject.writeState(spec.slotId, 'survives')
      await subject.crash(spec.slotId)
      const crashed = await observed(driver, handle, 'exited', 'failed')
      expect(crashed.failure).toMatchObject({ code: 'crashed', message: expect.stringMatching(/\S/) })
      await observed(driver, await driver.ensure(spec, handle), 'running')
      expect(await subject.readState(spec.slotId)).toBe('survives')
      expect(await subject.countRunning(spec.slotId)).toBe(1)
    })

    test('ensure with other software makes the machine anew, once, on the state that it has', async () => {
      const spec = newSpec()
      const handle = await running(spec)
      await subject.writeState(spec.slotId, 'kept')
      const boots = await subject.countBoots(spec.slotId)
      const newer = { ...spec, specVersion: 'test-2', bootstrapToken: null }
      const upgraded = await driver.ensure(newer, handle)
      await observed(driver, upgraded, 'running')
      await expectBoots(spec.slotId, boots + 1)
      expect(await subject.readState(spec.slotId)).toBe('kept')
      await subject.open().ensure(newer, upgraded)
      expect(await subject.countBoots(spec.slotId)).toBe(boots + 1)
      // And back, as a rollback does.
      await observed(driver, await driver.ensure({ ...spec, bootstrapToken: null }, upgraded), 'running')
      await expectBoots(spec.slotId, boots + 2)
      expect(await subject.countRunning(spec.slotId)).toBe(1)
    })

    test('list tells exactly what exists, to every control plane', async () => {
      const specs = [newSpec(), newSpec(), newSpec()]
      for (const spec of specs) await running(spec)
      const [first] = await driver.list()
      await driver.remove((first as { handle: Handle }).handle) // three were just made
      const left = specs.map((spec) => spec.slotId).filter((slotId) => slotId !== first?.slotId)
      const listed = await subject.open().list()
      expect(listed.map((slot) => slot.slotId).sort()).toEqual(left.sort())
      for (const { handle } of listed) expect((await driver.observe(handle)).phase).toBe('running')
    })

    test('suspend makes it stand still and keeps all of it, and resume goes on, each also when it is so already', async () => {
      if (!driver.capabilities.suspend) {
        expect([driver.suspend, driver.resume]).toEqual([undefined, undefined])
        return
      }
      const spec = newSpec()
      const handle = await running(spec)
      const before = await driver.observe(handle)
      await subject.writeState(spec.slotId, 'kept')
      for (let times = 0; times < 2; times++) await driver.suspend?.(handle)
      expect(await driver.observe(handle)).toMatchObject({ phase: 'suspended', address: before.address })
      expect(await subject.open().observe(handle)).toMatchObject({ phase: 'suspended' })
      expect((await driver.list()).map((slot) => slot.slotId)).toEqual([spec.slotId])
      for (let times = 0; times < 2; times++) await driver.resume?.(handle)
      expect(await driver.observe(handle)).toEqual(before)
      expect(await subject.readState(spec.slotId)).toBe('kept')
      expect(await subject.countRunning(spec.slotId)).toBe(1)
    })

    test('a frozen machine is suspended as before, and resume goes on from there', async () => {
      if (!driver.capabilities.freeze) {
        expect([driver.freeze, driver.trim]).toEqual([undefined, undefined])
        return
      }
      const handle = await running(newSpec())
      const before = await driver.observe(handle)
      await driver.suspend?.(handle)
      for (const tier of ['memory', 'memory', 'disk'] as const) {
        const frozen = await driver.freeze?.(handle, { tier })
        expect(frozen?.residentBytes).toBeGreaterThanOrEqual(0)
      }
      expect((await driver.observe(handle)).phase).toBe('suspended')
      await driver.resume?.(handle)
      expect(await driver.observe(handle)).toEqual(before)
    })

    test('what is suspended can be stopped with its state kept, and removed', async () => {
      if (!driver.capabilities.suspend) return
      const spec = newSpec()
      const handle = await running(spec)
      await subject.writeState(spec.slotId, 'kept')
      await driver.suspend?.(handle)
      await driver.stop(handle, { graceSeconds: 5 })
      const stopped = await driver.observe(handle)
      expect([stopped.phase, stopped.failure]).toEqual(['exited', undefined])
      expect(await subject.countRunning(spec.slotId)).toBe(0)
      await observed(driver, await driver.ensure(spec, handle), 'running')
      expect(await subject.readState(spec.slotId)).toBe('kept')
      await driver.suspend?.(handle)
      await driver.remove(handle)
      expect(await driver.observe(handle)).toEqual({ phase: 'absent' })
    })

    test('preflight reports its checks and never throws', async () => {
      const checks = await driver.preflight()
      expect(checks.length).toBeGreaterThan(0)
      for (const check of checks) expect(check.detail).toMatch(/\S/)
    })
  })
}

function newSpec(): SlotSpec {
  return {
    slotId: newId(),
    specVersion: 'test-1',
    linkUrl: 'ws://127.0.0.1:1/link',
    bootstrapToken: 'one-time',
    limits: { memoryMebibytes: 2048, cpus: 2, pids: 512 },
  }
}

/** Observes until the phase is one of those meant; fails with the last observation after twenty seconds. */
async function observed(
  driver: ComputeDriver,
  handle: Handle,
  ...phases: Observation['phase'][]
): Promise<Observation> {
  const deadline = Date.now() + 20_000
  for (;;) {
    const observation = await driver.observe(handle)
    if (phases.includes(observation.phase)) return observation
    if (Date.now() > deadline)
      throw new Error(`expected ${phases.join(' or ')}, but it is ${JSON.stringify(observation)}`)
    await new Promise((done) => setTimeout(done, 20))
  }
}
