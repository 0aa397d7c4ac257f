import { type ChildProcess, spawn } from 'node:child_process'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { PolicySlot } from '../../gate/protocol.ts'
import { requireComponent } from '../support/components.ts'
import { docker } from '../support/docker.ts'
import { eventually } from '../support/eventually.ts'
import type { Attempt } from './attempts.ts'
import { allowedName, openWorld, otherAllowedName, type World } from './world.ts'

const instances = 4
const agent = '10001'

// Looking from inside a container's network needs root.
describe.skipIf(!requireComponent('docker') || process.getuid?.() !== 0)('instances on one host', () => {
  let world: World
  beforeAll(async () => {
    world = await openWorld({ range: '10.214.4.0/24', instances })
    await allow(allowedName)
  }, 180_000)
  afterAll(() => world?.close())

  const allow = (...domains: string[]): Promise<number> =>
    world.control.push({ slots: world.slots.map((slot) => ({ ...slot, egress: world.egress(...domains) })) })
  const first = (): PolicySlot => world.slots[0] as PolicySlot

  /** The status of a plain request of the first instance to a name, or what went wrong. */
  const ask = async (name: string): Promise<string> => {
    const steps = [`GET http://${name}/ HTTP/1.1\r\nHost: ${name}\r\nConnection: close\r\n\r\n`]
    const { one = '' } = await world.attack(first(), agent, [
      { id: 'one', what: 'request', kind: 'bytes', host: first().gateAddress, port: 3128, steps },
    ])
    return /HTTP\/1\.1 (\d+)/.exec(one)?.[1] ?? one
  }

  it('cannot connect to each other, nor to the gate by any address but their own', async () => {
    const matrix: string[] = []
    for (const from of world.slots)
      for (const user of ['0', agent]) {
        const others = world.slots.filter((slot) => slot !== from)
        const attempts: Attempt[] = others.flatMap(({ gateAddress, instanceAddress }) =>
          [gateAddress, instanceAddress].flatMap((host) =>
            [7401, 7300, 3128, 7400].map(
              (port): Attempt => ({ id: `${host}:${port}`, what: 'matrix', kind: 'tcp', host, port }),
            ),
          ),
        )
        const results = await world.attack(from, user, attempts)
        expect(Object.keys(results)).toHaveLength((instances - 1) * 8)
        for (const [to, result] of Object.entries(results))
          if (result.includes('connected')) matrix.push(`${from.instanceAddress} as ${user} -> ${to}`)
      }
    expect(matrix).toEqual([])
    const own = [7300, 3128].map(
      (port): Attempt => ({ id: String(port), what: 'own', kind: 'tcp', host: first().gateAddress, port }),
    )
    for (const result of Object.values(await world.attack(first(), agent, own)))
      expect(result).toContain('connected')
  }, 120_000)

  it('cannot pass for each other, even with a route that only an administrator of the network could make', async () => {
    const [victim] = world.slots.slice(1)
    if (!victim) throw new Error('there are several instances')
    const pid = await docker('inspect', '--format', '{{.State.Pid}}', world.containerOf(first()))
    const route = ['route', 'add', `${victim.gateAddress}/32`, 'via', first().gateAddress]
    await inNetworkOf(pid, 'ip', ...route)
    const steps = [`GET http://${allowedName}/ HTTP/1.1\r\nHost: ${allowedName}\r\nConnection: close\r\n\r\n`]
    const attempts = [3128, 7300].map(
      (port): Attempt => ({
        id: String(port),
        what: 'forged',
        kind: 'bytes',
        host: victim.gateAddress,
        port,
        steps,
      }),
    )
    const results = await world.attack(first(), agent, attempts)
    for (const result of Object.values(results)) expect(result).not.toContain('HTTP/1.1')
    await inNetworkOf(pid, 'ip', 'route', 'del', `${victim.gateAddress}/32`)
  })

  it('are not routed by the gate, even with such a route', async () => {
    const pid = await docker('inspect', '--format', '{{.State.Pid}}', world.containerOf(first()))
    await inNetworkOf(pid, 'ip', 'route', 'replace', 'default', 'via', first().gateAddress)
    const before = (await world.seen()).length
    const attempts = world.canaryAddresses.flatMap((host): Attempt[] => [
      { id: `tcp ${host}`, what: 'routed', kind: 'tcp', host, port: world.canaryPort },
      { id: `udp ${host}`, what: 'routed', kind: 'udp', host, port: world.canaryPort },
    ])
    const results = await world.attack(first(), '0', attempts)
    expect(Object.values(results).filter((result) => result.includes('connected'))).toEqual([])
    expect((await world.seen()).slice(before)).toEqual([])
    await inNetworkOf(pid, 'ip', 'route', 'del', 'default')
  }, 60_000)

  it('feel a change of what is allowed within a second, and keep what stays allowed', async () => {
    await allow(allowedName, otherAllowedName)
    const kept = openStream(allowedName)
    const ended = openStream(otherAllowedName)
    await Promise.all([kept.ticks(3), ended.ticks(3)])
    expect(await allow(allowedName)).toBeLessThan(1_000)
    await ended.closed
    expect(await ask(otherAllowedName)).toBe('403')
    await kept.ticks(10)
    kept.end()
    expect(await allow(allowedName, otherAllowedName)).toBeLessThan(1_000)
    expect(await ask(otherAllowedName)).toBe('200')
  }, 60_000)

  it('reach nothing while the gate is dead, and what they may once it is back', async () => {
    expect(await ask(allowedName)).toBe('200')
    const stream = openStream(allowedName)
    await stream.ticks(3)
    await docker('kill', world.gateName)
    await stream.closed
    const before = (await world.seenOutside()).length
    expect(await ask(allowedName)).not.toMatch(/^\d+$/)
    const direct: Attempt[] = [world.outside, ...world.canaryAddresses].map((host) => ({
      id: host,
      what: 'straight',
      kind: 'tcp',
      host,
      port: world.canaryPort,
    }))
    for (const result of Object.values(await world.attack(first(), '0', direct)))
      expect(result).not.toContain('connected')
    expect((await world.seenOutside()).slice(before)).toEqual([])
    await docker('start', world.gateName)
    await eventually(async () => expect(await ask(allowedName)).toBe('200'), 20_000)
  }, 90_000)

  it('keep what they may while the control plane is away; a gate that restarts meanwhile lets nothing out', async () => {
    world.control.setAway(true)
    expect(await ask(allowedName)).toBe('200')
    await docker('restart', '--time', '1', world.gateName)
    await eventually(
      async () => expect(await ask(allowedName)).toMatch(/connected|^error ECONNRESET/),
      20_000,
    )
    expect(await ask(allowedName)).not.toMatch(/^\d+$/)
    world.control.setAway(false)
    await eventually(async () => expect(await ask(allowedName)).toBe('200'), 20_000)
  }, 90_000)

  /** A response of the allowed server that never ends, read by the first instance. */
  const openStream = (name: string) => {
    const request = `GET http://${name}/stream HTTP/1.1\\r\\nHost: ${name}\\r\\n\\r\\n`
    const program = `const socket = require('node:net').connect(3128, '${first().gateAddress}', () => socket.write('${request}')); socket.pipe(process.stdout); socket.on('close', () => process.exit())`
    const child: ChildProcess = spawn('docker', [
      ...['exec', '--user', agent, world.containerOf(first()), 'node', '-e', program],
    ])
    let count = 0
    child.stdout?.on('data', (chunk) => {
      count += String(chunk).split('tick').length - 1
    })
    return {
      closed: new Promise<void>((done) => child.once('close', () => done())),
      /** So many more than there were. */
      ticks: (wanted: number): Promise<void> => {
        const from = count
        return eventually(() => expect(count).toBeGreaterThanOrEqual(from + wanted), 10_000)
      },
      end: () => child.kill(),
    }
  }
})

function inNetworkOf(pid: string, ...command: string[]): Promise<void> {
  return new Promise((done, fail) => {
    const child = spawn('nsenter', ['-t', pid, '-n', ...command])
    let problem = ''
    child.stderr.on('data', (chunk) => {
      problem += String(chunk)
    })
    child.once('close', (code) => (code === 0 ? done() : fail(new Error(problem))))
  })
}
