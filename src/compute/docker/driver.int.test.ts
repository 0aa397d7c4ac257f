import { createServer } from 'node:http'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { requireComponent } from '../../../test/support/components.ts'
import {
  docker,
  dockerOrNot,
  openTestReef,
  placementsInMemory,
  type TestReef,
} from '../../../test/support/docker.ts'
import { eventually } from '../../../test/support/eventually.ts'
import type { ComputeDriver, Handle, SlotSpec } from '../../domain/instances/compute.ts'
import { readGateHost } from '../../gate/address.ts'
import { newId } from '../../ids.ts'
import { parseHosts } from './host-address.ts'

const available = requireComponent('docker')

describe.skipIf(!available)('the Docker driver', () => {
  let reef: TestReef
  let driver: ComputeDriver
  beforeAll(async () => {
    reef = await openTestReef('10.214.1.0/24')
    driver = reef.open()
  })
  afterEach(async () => {
    for (const { handle } of await driver.list()) await driver.remove(handle)
  })
  afterAll(() => reef?.dispose())

  const newSpec = (change: Partial<SlotSpec> = {}): SlotSpec => ({
    slotId: newId(),
    specVersion: 'test-1',
    linkUrl: 'ws://127.0.0.1:1/link',
    bootstrapToken: 'a-one-time-token',
    limits: { memoryMebibytes: 256, cpus: 1, pids: 96 },
    ...change,
  })
  const inSlot = (slotId: string, script: string) =>
    dockerOrNot('exec', '--workdir', '/home/agent/.openclaw', reef.nameOf(slotId), 'bash', '-c', script)
  const running = async (change: Partial<SlotSpec> = {}): Promise<{ slotId: string; handle: Handle }> => {
    const spec = newSpec(change)
    const handle = await driver.ensure(spec, null)
    await eventually(async () => expect(await inSlot(spec.slotId, 'ls boots')).toBe('boots'))
    return { slotId: spec.slotId, handle }
  }
  const inspect = async (name: string) => JSON.parse(await docker('inspect', name))[0]

  test('no secret is in what `docker inspect` shows, and the file with it is for the agent alone', async () => {
    const { slotId } = await running()
    expect(JSON.stringify(await inspect(reef.nameOf(slotId)))).not.toContain('a-one-time-token')
    expect(JSON.stringify(await inspect(`reef-${reef.reefId}-gate`))).not.toContain('a token for tests')
    expect(await inSlot(slotId, 'cat control.json')).toContain('a-one-time-token')
    expect(await inSlot(slotId, 'stat -c "%U %a" control.json')).toMatch(/ 600$/)
  })

  test('an instance that uses all of its memory ends alone, and the reason is said in words', async () => {
    const { slotId, handle } = await running({ limits: { memoryMebibytes: 128, cpus: 1, pids: 96 } })
    const other = await running()
    await inSlot(slotId, 'touch hog')
    await eventually(async () => {
      const seen = await driver.observe(handle)
      expect(seen).toMatchObject({ phase: 'failed', failure: { code: 'out_of_memory' } })
      expect(seen.failure?.message).toContain('all of the 0.1 GB of memory')
    }, 25_000)
    expect((await driver.observe(other.handle)).phase).toBe('running')
  })

  test('a fork bomb stays inside its own limit of processes', async () => {
    const { slotId } = await running()
    const other = await running()
    const bomb = `for (let i = 0; i < 300; i++)
      require('child_process').spawn('sleep', ['60'], { stdio: 'ignore', detached: true }).on('error', () => {}).unref()`
    await inSlot(slotId, `node -e "${bomb}"`)
    const processes = Number(
      await docker('inspect', '--format', '{{.HostConfig.PidsLimit}}', reef.nameOf(slotId)),
    )
    expect((await docker('top', reef.nameOf(slotId))).split('\n').length - 1).toBeLessThanOrEqual(processes)
    expect(await inSlot(other.slotId, 'echo alive')).toBe('alive')
  })

  test('instances reach neither each other nor the host nor the world, only their gate', async () => {
    const [one, two] = [await running(), await running()]
    const listener = createServer((_request, response) => response.end('host'))
    await new Promise<void>((done) => listener.listen(0, '0.0.0.0', done))
    const { port } = listener.address() as { port: number }
    try {
      const reaches = (host: string, at: number) =>
        inSlot(one.slotId, `timeout 1 bash -c 'exec 3<>/dev/tcp/${host}/${at}' && echo reached`)
      const outer = JSON.parse(await docker('network', 'inspect', `reef-${reef.reefId}-outer`))[0]
      const targets: [string, number][] = [
        [String(two.handle.instanceAddress), 7401],
        [String(two.handle.gateAddress), 7300],
        [outer.IPAM.Config[0].Gateway, port],
        ['172.17.0.1', port],
        [String(one.handle.subnet).replace(/0\/28$/, '1'), port],
        ['1.1.1.1', 443],
      ]
      const reached = await Promise.all(targets.map(([host, at]) => reaches(host, at)))
      expect(targets.filter((_, index) => reached[index] !== undefined)).toEqual([])
      // Not found, and not given up on: who looks a name up by itself is told so at once.
      expect(await inSlot(one.slotId, 'timeout 5 getent ahosts example.org; echo $?')).toBe('2')
      expect(await inSlot(one.slotId, `echo >/dev/tcp/127.0.0.1/7401 && echo reached`)).toBe('reached')
    } finally {
      listener.close()
    }
  })

  test('a gate that is gone is made anew at the same address and connected to every slot', async () => {
    const { slotId, handle } = await running()
    const before = await driver.observe(handle)
    await docker('rm', '--force', `reef-${reef.reefId}-gate`)
    const other = await running()
    const gate = await inspect(`reef-${reef.reefId}-gate`)
    expect(gate.NetworkSettings.Networks[reef.nameOf(slotId)].IPAddress).toBe(handle.gateAddress)
    expect(gate.NetworkSettings.Networks[reef.nameOf(other.slotId)].IPAddress).toBe(other.handle.gateAddress)
    expect(await reef.open().observe(handle)).toEqual(before)
    const address = readGateHost(new URL(before.address ?? '').hostname)
    expect(address).toMatchObject({ slotId, hostName: 'local', gateHost: '127.0.0.1' })
  })

  test('a gate that was removed comes back by the next look at the whole', async () => {
    const { slotId } = await running()
    await docker('rm', '--force', `reef-${reef.reefId}-gate`)
    await driver.list()
    const gate = await inspect(`reef-${reef.reefId}-gate`)
    expect(gate.State.Running).toBe(true)
    expect(Object.keys(gate.NetworkSettings.Networks)).toContain(reef.nameOf(slotId))
  })

  test('a gate of another image takes the place of the old one when a control plane starts', async () => {
    const { handle } = await running()
    const before = await inspect(`reef-${reef.reefId}-gate`)
    const changed = reef.open({ controlUrl: 'http://127.0.0.1:2' })
    const spec = newSpec()
    await changed.ensure(spec, null)
    const after = await inspect(`reef-${reef.reefId}-gate`)
    expect(after.Id).not.toBe(before.Id)
    expect(after.HostConfig.PortBindings).toEqual(before.HostConfig.PortBindings)
    // The older control plane lets it be: two of them must not replace each other's in turn.
    await driver.ensure({ ...newSpec(), slotId: spec.slotId }, handle && null)
    expect((await inspect(`reef-${reef.reefId}-gate`)).Id).toBe(after.Id)
  })

  test('a suspended machine stands still, is found as such, and goes on where it was', async () => {
    const { slotId, handle } = await running()
    await driver.suspend?.(handle)
    await driver.suspend?.(handle)
    expect(await reef.open().observe(handle)).toMatchObject({
      phase: 'suspended',
      address: expect.any(String),
    })
    await driver.resume?.(handle)
    await driver.resume?.(handle)
    expect((await driver.observe(handle)).phase).toBe('running')
    expect(await inSlot(slotId, 'wc -l < boots')).toBe('1')
  })

  test('a suspended machine is stopped in an orderly way', async () => {
    const { slotId, handle } = await running()
    await driver.suspend?.(handle)
    await driver.stop(handle, { graceSeconds: 5 })
    expect(await driver.observe(handle)).toEqual({ phase: 'exited' })
    expect(await docker('logs', reef.nameOf(slotId))).toContain('stand-in stopped')
  })

  test('the engine itself brings back a supervisor that crashed once', async () => {
    const { slotId, handle } = await running()
    await inSlot(slotId, 'touch crash')
    await eventually(async () => expect(await inSlot(slotId, 'wc -l < boots')).toBe('2'))
    expect((await driver.observe(handle)).phase).toBe('running')
  })

  test('other limits apply to the same machine at its next start', async () => {
    const { slotId, handle } = await running()
    await driver.stop(handle, { graceSeconds: 5 })
    const before = await inspect(reef.nameOf(slotId))
    const limits = { memoryMebibytes: 384, cpus: 0.5, pids: 128 }
    await driver.ensure({ ...newSpec({ limits }), slotId }, handle)
    const after = await inspect(reef.nameOf(slotId))
    expect(after.Id).toBe(before.Id)
    expect(after.HostConfig).toMatchObject({
      Memory: 384 * 1024 ** 2,
      NanoCpus: 500_000_000,
      PidsLimit: 128,
      RestartPolicy: { Name: 'on-failure', MaximumRetryCount: 5 },
    })
  })

  test('a host without the image says how to get it, and nothing is left behind', async () => {
    const without = reef.open({ image: 'reef-nowhere:local' })
    const handle = await without.ensure(newSpec(), null)
    expect(await without.observe(handle)).toMatchObject({
      phase: 'failed',
      failure: { code: 'bad_image', message: expect.stringContaining('npm run image') },
    })
    const failing = (await without.preflight()).filter((check) => !check.ok)
    expect(failing.map((check) => check.detail).join()).toContain('npm run image')
    await expect(without.specVersion?.()).rejects.toThrow('npm run image')
    await without.remove(handle)
    expect(await driver.list()).toEqual([])
  })

  test('an image of a registry is on its way, and when it cannot be had the reason is said', async () => {
    const asked: string[] = []
    let refuse = (): void => undefined
    // A registry that takes its time, and then has nothing.
    const registry = createServer((request, response) => {
      asked.push(request.url ?? '')
      const answer = () => response.writeHead(404, { 'content-type': 'application/json' }).end('{}')
      if (asked.length === 1) refuse = answer
      else answer()
    })
    await new Promise<void>((done) => registry.listen(0, '127.0.0.1', done))
    const { port } = registry.address() as { port: number }
    const far = reef.open({ image: `127.0.0.1:${port}/reef/instance:1` })
    const [one, two] = await Promise.all([far.ensure(newSpec(), null), far.ensure(newSpec(), null)])
    try {
      await eventually(() => expect(asked.length).toBeGreaterThan(0))
      for (const handle of [one, two])
        expect(await far.observe(handle)).toEqual({ phase: 'starting', pendingReason: 'pulling_image' })
      refuse()
      await eventually(async () =>
        expect(await far.observe(one)).toMatchObject({
          phase: 'failed',
          failure: { code: 'bad_image', message: expect.stringContaining('could not be pulled') },
        }),
      )
    } finally {
      registry.close()
      registry.closeAllConnections()
    }
  })

  test('slots are made of the image that their version names, by its digest', async () => {
    const version = await driver.specVersion?.()
    expect(version).toMatch(/^sha256:[0-9a-f]{64} openclaw-0\.0\.0 supervisor-stand-in$/)
    const { slotId } = await running({ specVersion: version ?? '' })
    expect((await inspect(reef.nameOf(slotId))).Image).toBe(version?.split(' ')[0])
  })

  test('an engine that is away is tried again later, never taken for an absent machine', async () => {
    const { handle } = await running()
    const away = reef.open({ hosts: parseHosts('local=unix:///nowhere/docker.sock') })
    for (const call of [
      () => away.observe(handle),
      () => away.list(),
      () => away.ensure(newSpec(), null),
      () => away.stop(handle, { graceSeconds: 1 }),
      () => away.remove(handle),
    ])
      await expect(call()).rejects.toMatchObject({ reason: 'unavailable', retryable: true })
    expect((await away.preflight()).every((check) => check.ok)).toBe(false)
    expect(await away.hosts?.()).toMatchObject([{ name: 'local', state: 'unreachable' }])
  })

  test('with two hosts a slot goes to one that takes new ones, and stays there', async () => {
    const records = placementsInMemory()
    const hosts = parseHosts('a=unix:///nowhere/docker.sock,b=unix:///var/run/docker.sock')
    const several = reef.open({ hosts, records })
    const spec = newSpec()
    const handle = await several.ensure(spec, null)
    expect(handle.host).toBe('b')
    records.draining.add('b')
    await expect(several.ensure(newSpec(), null)).rejects.toMatchObject({ reason: 'unavailable' })
    expect((await several.ensure(spec, null)).host).toBe('b')
    expect(await several.hosts?.()).toMatchObject([
      { name: 'a', state: 'unreachable', slots: [] },
      { name: 'b', state: 'draining', slots: [{ slotId: spec.slotId, paused: false }] },
    ])
    // What lies on a host that does not answer must not be taken for absent.
    await expect(several.list()).rejects.toMatchObject({ reason: 'unavailable' })
  })

  test('hosts tell what each machine really takes', async () => {
    const { slotId } = await running()
    const [host] = (await driver.hosts?.()) ?? []
    expect(host).toMatchObject({ name: 'local', state: 'active' })
    expect(host?.memoryAvailableBytes).toBeGreaterThan(0)
    expect(host?.slots.map((slot) => slot.slotId)).toEqual([slotId])
    expect(host?.slots[0]?.residentBytes).toBeGreaterThan(5 * 1024 ** 2)
  })
})
