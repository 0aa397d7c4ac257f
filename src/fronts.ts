import { BlockList, isIP } from 'node:net'
import { sameSecret } from './secrets.ts'

/** Header by which the Caddy in front of Reef shows that it is that: anybody else's word on forwarding is worth nothing. */
export const ingressHeader = 'x-reef-ingress'

/** What a request says of where it comes from; a header that came more than once is joined with commas. */
export interface Forwarded {
  remoteAddress: string | undefined
  forwardedFor: string | undefined
  ingressToken: string | undefined
}

/** Reverse proxies in front of Reef. */
export interface Fronts {
  /** Address of who really asks: the peer's own, or what a front that is believed says. Undefined for a peer without one. */
  clientAddress(forwarded: Forwarded): string | undefined
  /** Whether this is the token of Reef's own Caddy. */
  isIngress(token: string | undefined): boolean
}

export interface FrontsOptions {
  /** What Reef's own Caddy sends in `x-reef-ingress`. */
  token: string
  /** Addresses and networks (192.0.2.0/24) of other reverse proxies that are believed. */
  trusted: readonly string[]
}

export function createFronts(options: FrontsOptions): Fronts {
  const trusted = blockList(options.trusted)
  const isTrusted = (address: string): boolean =>
    trusted.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4')
  const isIngress = (token: string | undefined): boolean =>
    token !== undefined && sameSecret(token, options.token)
  return {
    isIngress,
    clientAddress: ({ remoteAddress, forwardedFor, ingressToken }) => {
      const peer = plain(remoteAddress ?? '')
      if (peer === undefined || forwardedFor === undefined) return peer
      if (!isIngress(ingressToken) && !isTrusted(peer)) return peer
      // From the right, where each front adds the address that it saw: the first that is no front is the client. What
      // stands to its left is the client's own invention.
      let address = peer
      for (const entry of forwardedFor.split(',').reverse()) {
        const next = plain(entry.trim())
        if (next === undefined) break
        address = next
        if (!isTrusted(next)) break
      }
      return address
    },
  }
}

/** Whether a text is an address or a network. */
export function isNetwork(text: string): boolean {
  const [address = '', bits, ...rest] = text.split('/')
  const family = isIP(address)
  if (family === 0 || rest.length > 0) return false
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128))
}

function blockList(networks: readonly string[]): BlockList {
  const list = new BlockList()
  for (const network of networks) {
    const [address = '', bits] = network.split('/')
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4'
    if (bits === undefined) list.addAddress(address, family)
    else list.addSubnet(address, Number(bits), family)
  }
  return list
}

/** The bare address, without the port that some fronts add and as IPv4 where it is one. */
function plain(text: string): string | undefined {
  const address = (/^\[(.+)\](:\d+)?$/.exec(text)?.[1] ?? /^([\d.]+):\d+$/.exec(text)?.[1] ?? text).replace(
    /^::ffff:(?=\d+\.)/i,
    '',
  )
  return isIP(address) === 0 ? undefined : address
}
