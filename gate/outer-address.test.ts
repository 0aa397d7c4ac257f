import type { networkInterfaces } from 'node:os'
import { expect, it } from 'vitest'
import { outerAddress } from './outer-address.ts'

const head = 'Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT'
const slotRoute = 'eth1\t0000D50A\t00000000\t0001\t0\t0\t0\tF0FFFFFF\t0\t0\t0'
const way = 'eth0\t00000000\tF1FFD50A\t0003\t0\t0\t0\t00000000\t0\t0\t0'
const address = (text: string) => [{ family: 'IPv4', address: text }]
const interfaces = {
  lo: address('127.0.0.1'),
  eth1: address('10.213.0.2'),
  eth0: address('10.213.255.242'),
} as unknown as ReturnType<typeof networkInterfaces>

it('is the one on the network with the default route, whatever other networks there are', () => {
  expect(outerAddress([head, slotRoute, way, ''].join('\n'), interfaces)).toBe('10.213.255.242')
})

it('is the loopback where there is no way out, so that nobody comes in', () => {
  expect(outerAddress([head, slotRoute].join('\n'), interfaces)).toBe('127.0.0.1')
})
