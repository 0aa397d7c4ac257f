import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readServerName } from '../../gate/client-hello.ts'
import { requireComponent } from '../support/components.ts'
import { type Attempt, attemptsAt } from './attempts.ts'
import { allowedName, forbiddenName, metadata, openWorld, privateNames, type World } from './world.ts'

// Looking from inside a container's network needs root.
describe.skipIf(!requireComponent('docker') || process.getuid?.() !== 0)('an instance', () => {
  let world: World
  beforeAll(async () => {
    world = await openWorld({ range: '10.214.0.0/24', instances: 2 })
    const [first, second] = world.slots
    if (!first || !second) throw new Error('two instances were made')
    await world.control.push({
      slots: [
        // Names of private addresses are allowed by name: what they stand for must be enough to refuse them.
        { ...first, egress: world.egress(allowedName, ...privateNames) },
        { ...second, egress: world.egress(allowedName) },
      ],
    })
  }, 180_000)
  afterAll(() => world?.close())

  const attempts = (user: string): Attempt[] =>
    attemptsAt(
      {
        addresses: [
          ...world.canaryAddresses,
          // The host's end of the slot's own network, which the host must not have taken.
          world.slots[0]?.gateAddress.replace(/\d+$/, (last) => String(Number(last) - 1)) ?? '',
          world.slots[1]?.instanceAddress ?? '',
        ],
        canaryTcpPorts: [80, 443, world.canaryPort],
        canaryUdpPorts: [53, 443, world.canaryPort],
        forbidden: world.forbidden,
        allowed: { name: allowedName, address: world.outside },
        forbiddenName,
        privateNames,
        gate: world.slots[0]?.gateAddress ?? '',
        otherGates: [
          world.slots[1]?.gateAddress ?? '',
          world.outside.replace(/\d+$/, (last) => String(Number(last) - 8)),
        ],
        metadata,
      },
      user,
    )

  it('would be seen by the canaries if it got there', async () => {
    const free: Attempt[] = world.canaryAddresses.flatMap((host, index) => [
      { id: `free-tcp-${index}`, what: 'control', kind: 'tcp', host, port: world.canaryPort },
      { id: `free-udp-${index}`, what: 'control', kind: 'udp', host, port: world.canaryPort },
    ])
    await world.attackFreely(free)
    const seen = await world.seen()
    const texts = seen.map((one) => Buffer.from(one.hex ?? '', 'hex').toString())
    // From the outer network the host's addresses and the neighbour are in reach; other networks are Docker's to close.
    for (const host of world.canaryAddresses.slice(0, -1)) {
      const index = world.canaryAddresses.indexOf(host)
      expect([host, texts]).toEqual([
        host,
        expect.arrayContaining([`free-tcp-${index}`, `free-udp-${index}`]),
      ])
    }
  })

  it('reaches what is allowed, by the proxy', async () => {
    const [slot] = world.slots
    if (!slot) throw new Error('no instance')
    const steps = [`GET http://${allowedName}/ HTTP/1.1\r\nHost: ${allowedName}\r\nConnection: close\r\n\r\n`]
    const results = await world.attack(slot, '10001', [
      { id: 'allowed', what: 'control', kind: 'bytes', host: slot.gateAddress, port: 3128, steps },
    ])
    expect(results.allowed).toContain('outside')
  })

  it('reaches nothing else in more than 400 attempts, as root and as itself', async () => {
    const [slot] = world.slots
    if (!slot) throw new Error('no instance')
    const before = (await world.seen()).length
    const outsideBefore = (await world.seenOutside()).length
    const askedBefore = world.control.asked.length
    let count = 0
    for (const user of ['0', '10001']) {
      const tried = attempts(user)
      const results = await world.attack(slot, user, tried)
      // Every one was made, and none says that something answered it.
      expect(Object.keys(results)).toHaveLength(tried.length)
      expect(
        tried.filter((one) => /ANSWERED/.test(results[one.id] ?? '')).map((one) => [one, results[one.id]]),
      ).toEqual([])
      count += tried.length
    }
    expect(count).toBeGreaterThanOrEqual(400)
    expect((await world.seen()).slice(before)).toEqual([])
    expect(world.control.asked.slice(askedBefore)).toEqual([])
    const wrong = (await world.seenOutside()).slice(outsideBefore).filter(isWrong)
    expect(wrong).toEqual([])
  }, 240_000)

  /** The allowed server may be asked for what is its own, and connected to; it may not get a byte for another name. */
  const isWrong = (one: Awaited<ReturnType<World['seenOutside']>>[number]): boolean => {
    if (one.kind === 'http') return one.host !== allowedName || /forbidden|foreign/.test(one.url ?? '')
    if (one.kind === 'tcp') return one.port !== 443
    if (one.kind !== 'data' || one.port !== 443) return true
    const name = readServerName(Buffer.from(one.hex ?? '', 'hex'))
    return name.kind !== 'name' || name.name !== allowedName
  }
})
