import type { IncomingMessage } from 'node:http'
import { type Fronts, ingressHeader } from '../fronts.ts'

const forwardingHeaders = [
  'forwarded',
  'x-real-ip',
  'x-forwarded-host',
  'x-forwarded-port',
  'x-forwarded-proto',
  ingressHeader,
]

const throughIngress = new WeakSet<IncomingMessage>()

/** Whether Reef's own Caddy sent it. */
export function cameThroughIngress(request: IncomingMessage): boolean {
  return throughIngress.has(request)
}

/**
 * Leaves of all forwarding headers one X-Forwarded-For with the address of who really asks, and only where something
 * stood in between: everything behind this reads a client's address from nowhere else.
 */
export function believeFronts(request: IncomingMessage, fronts: Fronts): void {
  const { headers, socket } = request
  const forwardedFor = headers['x-forwarded-for']
  const ingressToken = headers[ingressHeader]
  if (fronts.isIngress(ingressToken?.toString())) throughIngress.add(request)
  if (forwardedFor !== undefined || headers.forwarded !== undefined || ingressToken !== undefined) {
    const address = fronts.clientAddress({
      remoteAddress: socket.remoteAddress,
      forwardedFor: forwardedFor?.toString(),
      ingressToken: ingressToken?.toString(),
    })
    headers['x-forwarded-for'] = address ?? ''
  }
  for (const name of forwardingHeaders) delete headers[name]
}

/** Whether a reverse proxy, believed or not, says that it stood in between. */
export function wasForwarded(request: IncomingMessage): boolean {
  return request.headers['x-forwarded-for'] !== undefined
}

/** Whether an address is this machine's own. */
export function isLoopback(address: string | undefined): boolean {
  return address !== undefined && /^(::ffff:)?127\.|^::1$/.test(address)
}
