import fc from 'fast-check'
import { expect, it } from 'vitest'
import { permittedAddresses } from './addresses.ts'

const isPermitted = permittedAddresses([])

it.each(['1.1.1.1', '140.82.112.3', '172.32.0.1', '100.128.0.1', '2606:4700::1111', '::ffff:1.1.1.1'])(
  '%s is public',
  (address) => {
    expect(isPermitted(address)).toBe(true)
  },
)

it.each([
  ['0.0.0.0', 'this host'],
  ['10.0.0.1', 'private'],
  ['172.16.0.1', 'private'],
  ['192.168.1.1', 'private'],
  ['127.0.0.1', 'loopback'],
  ['169.254.169.254', 'metadata'],
  ['100.64.0.1', 'carrier-grade NAT'],
  ['100.100.100.200', 'metadata of Alibaba'],
  ['168.63.129.16', 'the WireServer of Azure'],
  ['192.0.0.192', 'metadata of Oracle'],
  ['198.18.0.1', 'benchmarking'],
  ['224.0.0.1', 'multicast'],
  ['240.0.0.1', 'reserved'],
  ['255.255.255.255', 'broadcast'],
  ['::', 'unspecified'],
  ['::1', 'loopback'],
  ['::ffff:127.0.0.1', 'loopback, mapped'],
  ['::ffff:a9fe:a9fe', 'metadata, mapped'],
  ['::127.0.0.1', 'loopback, compatible'],
  ['64:ff9b::7f00:1', 'loopback by NAT64'],
  ['64:ff9b:1::a00:1', 'private by NAT64'],
  ['2002:7f00:1::', 'loopback by 6to4'],
  ['2001:0:1::1', 'Teredo'],
  ['fd00:ec2::254', 'metadata of AWS'],
  ['fe80::1', 'link-local'],
  ['fec0::1', 'site-local'],
  ['ff02::1', 'multicast'],
  ['not an address', 'none'],
])('%s is not: %s', (address) => {
  expect(isPermitted(address)).toBe(false)
})

it('an IPv4 address is judged the same in IPv6’s clothing', () => {
  fc.assert(
    fc.property(fc.ipV4(), (address) => {
      expect(isPermitted(`::ffff:${address}`)).toBe(isPermitted(address))
    }),
  )
})

it('what the operator allows is allowed, and nothing beside it', () => {
  const allowing = permittedAddresses(['10.1.2.0/24', 'fd00:1::/32'])
  expect(['10.1.2.3', 'fd00:1::5', '10.1.3.1', 'fd00:2::5', '127.0.0.1'].map(allowing)).toEqual([
    true,
    true,
    false,
    false,
    false,
  ])
})

it('a range that is none is refused at the start', () => {
  expect(() => permittedAddresses(['10.0.0.0'])).toThrow()
})
