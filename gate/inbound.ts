import { timingSafeEqual } from 'node:crypto'
import { createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, type TLSSocket } from 'node:tls'
import { dial } from './dial.ts'
import type { GateLimits } from './limits.ts'
import { readHead } from './preamble.ts'
import {
  gatePorts,
  inboundCiphers,
  inboundKey,
  inboundReady,
  inboundToken,
  type PolicySlot,
  preambleWord,
} from './protocol.ts'
import type { Slots } from './slots.ts'
import { splice } from './splice.ts'

export interface InboundDeps {
  slots: Slots
  token: string
  limits: GateLimits
  /** The supervisors' port; tests choose another. */
  supervisorPort?: number
}

const tlsHandshakeByte = 0x16
const preambleBytesMax = 300

/**
 * Tunnels from control planes to supervisors. A connection begins with the preamble line, or with TLS under the slot's
 * key; whoever proves neither learns nothing and is closed.
 */
export function createInbound(deps: InboundDeps): Server {
  const identities = new WeakMap<TLSSocket, string>()
  const tls = createTlsServer({
    ciphers: inboundCiphers,
    minVersion: 'TLSv1.2',
    maxVersion: 'TLSv1.2',
    allowHalfOpen: true,
    handshakeTimeout: deps.limits.requestSeconds * 1000,
    pskCallback: (socket, slotId) => {
      identities.set(socket, slotId)
      return deps.slots.findById(slotId) ? inboundKey(deps.token, slotId) : null
    },
  })
  tls.on('secureConnection', (socket) => {
    socket.on('error', () => socket.destroy())
    const slotId = identities.get(socket)
    const slot = slotId === undefined ? undefined : deps.slots.findById(slotId)
    if (slot) void join(deps, socket, slot)
    else socket.destroy()
  })
  tls.on('tlsClientError', (_, socket) => socket.destroy())

  return createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => socket.destroy())
    void admit(deps, socket, () => tls.emit('connection', socket))
  })
}

async function admit(deps: InboundDeps, socket: Socket, startTls: () => void): Promise<void> {
  const head = await readHead<'tls' | PolicySlot>(
    socket,
    (bytes) => {
      if (bytes[0] === tlsHandshakeByte) return { used: 0, value: 'tls' }
      const end = bytes.indexOf('\n')
      if (end === -1) return bytes.length > preambleBytesMax ? 'invalid' : 'more'
      const slot = slotOfPreamble(deps, bytes.toString('latin1', 0, end))
      return slot ? { used: end + 1, value: slot } : 'invalid'
    },
    deps.limits.requestSeconds * 1000,
  )
  if (head === undefined) socket.destroy()
  else if (head === 'tls') startTls()
  else await join(deps, socket, head)
}

function slotOfPreamble(deps: InboundDeps, line: string): PolicySlot | undefined {
  const [word, slotId, token, ...more] = line.split(' ')
  if (word !== preambleWord || slotId === undefined || token === undefined || more.length > 0)
    return undefined
  const given = Buffer.from(token)
  const expected = Buffer.from(inboundToken(deps.token, slotId))
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return undefined
  return deps.slots.findById(slotId)
}

async function join(deps: InboundDeps, socket: Socket, slot: PolicySlot): Promise<void> {
  const port = deps.supervisorPort ?? gatePorts.supervisor
  const supervisor = await dial([slot.instanceAddress], port, { seconds: deps.limits.dialSeconds }).catch(
    () => undefined,
  )
  const current = deps.slots.findById(slot.slotId)
  if (!supervisor || socket.destroyed || current?.instanceAddress !== slot.instanceAddress) {
    supervisor?.destroy()
    socket.destroy()
    return
  }
  const release = deps.slots.hold(current, { isAllowed: () => true, close: () => socket.destroy() })
  socket.write(inboundReady)
  // A supervisor's event stream may be silent for as long as it likes; TCP itself tells when a peer is gone.
  splice(socket, supervisor, { idleSeconds: 0, onEnd: release })
}
