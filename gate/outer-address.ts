import { readFileSync } from 'node:fs'
import { networkInterfaces } from 'node:os'

/**
 * The address on the network that has the default route: the one towards control planes. Slots' networks are internal
 * and have none. Loopback where there is no such network: then nobody comes in, which is the safe way to be wrong.
 */
export function outerAddress(
  routes: string = readFileSync('/proc/net/route', 'utf8'),
  interfaces: ReturnType<typeof networkInterfaces> = networkInterfaces(),
): string {
  for (const line of routes.split('\n').slice(1)) {
    const [name, destination, , , , , , mask] = line.trim().split(/\s+/)
    if (name === undefined || destination !== '00000000' || mask !== '00000000') continue
    const found = interfaces[name]?.find((address) => address.family === 'IPv4')
    if (found) return found.address
  }
  return '127.0.0.1'
}
