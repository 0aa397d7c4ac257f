import { expect, it } from 'vitest'
import { gateUrl, readGateHost } from './address.ts'

const target = { slotId: '0199-a', hostName: 'big-machine', gateHost: '127.0.0.1', gatePort: 40_123 }

it('carries a slot and the gate in front of it through a URL', () => {
  expect(readGateHost(new URL(gateUrl(target)).hostname)).toEqual(target)
})

it('cuts names into labels that DNS would take, and puts them together again', () => {
  const long = {
    ...target,
    hostName: 'ip-10-0-0-1.eu-central-1.compute.internal'.repeat(2),
    gateHost: 'ä'.repeat(50),
  }
  const { hostname } = new URL(gateUrl(long))
  for (const label of hostname.split('.')) expect(label.length).toBeLessThanOrEqual(63)
  expect(readGateHost(hostname)).toEqual(long)
})

it('leaves other hosts alone, and refuses what lies below gate.internal and means nothing', () => {
  expect(readGateHost('127.0.0.1')).toBeUndefined()
  expect(readGateHost('gate.internal.example.com')).toBeUndefined()
  for (const host of ['a.gate.internal', 'a.b.gate.internal', '.61.613a31.gate.internal'])
    expect(() => readGateHost(host)).toThrow('is no address')
})
