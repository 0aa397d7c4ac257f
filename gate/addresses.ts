import ipaddr from 'ipaddr.js'

/** Public in form, but a cloud's own service for its machines: Azure's WireServer. */
const notPublic = new Set(['168.63.129.16'])

/** All that was ever given out of IPv6; what lies outside has special meanings. */
const globalIpv6 = ipaddr.IPv6.parse('2000::')

/** Whether an instance may be connected to this address: public, or in a range that the operator allows by name. */
export type IsPermitted = (address: string) => boolean

/** Throws for a range that is none. */
export function permittedAddresses(privateAllowed: readonly string[]): IsPermitted {
  const ranges = privateAllowed.map((range) => ipaddr.parseCIDR(range))
  return (text) => {
    if (!ipaddr.isValid(text)) return false
    // An IPv4 address in IPv6's clothing is judged as the IPv4 address that it is.
    const address = ipaddr.process(text)
    if (ranges.some(([base, bits]) => base.kind() === address.kind() && address.match(base, bits)))
      return true
    // Everything but ordinary addresses has another range: private, loopback, link-local with the clouds' metadata,
    // carrier-grade NAT, multicast, reserved, and the IPv6 ranges that carry an IPv4 address inside.
    if (address.range() !== 'unicast' || notPublic.has(address.toString())) return false
    return address.kind() === 'ipv4' || address.match(globalIpv6, 3)
  }
}
