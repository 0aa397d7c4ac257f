import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import type { PolicySlot } from './protocol.ts'
import type { Slots } from './slots.ts'

/**
 * Lets only this host's instances connect, so many at a time, and remembers whose a connection is. The slot is looked
 * up again at each use: it may be gone, or may reach less than a moment ago.
 */
export function admitInstances(
  server: Server,
  options: { slots: Slots; connectionsPerSlotMax: number },
): (socket: Socket) => PolicySlot | undefined {
  const slotIds = new WeakMap<Socket, string>()
  const counts = new Map<string, number>()

  // Before the server's own listener, which would start to read.
  server.prependListener('connection', (socket: Socket) => {
    if (slotIds.has(socket)) return
    const slot = options.slots.findByAddresses(socket.localAddress, socket.remoteAddress)
    const count = counts.get(slot?.slotId ?? '') ?? 0
    if (!slot || count >= options.connectionsPerSlotMax) {
      socket.destroy()
      return
    }
    const { slotId } = slot
    slotIds.set(socket, slotId)
    counts.set(slotId, count + 1)
    const release = options.slots.hold(slot, { isAllowed: () => true, close: () => socket.destroy() })
    socket.on('error', () => socket.destroy())
    socket.once('close', () => {
      release()
      const left = (counts.get(slotId) ?? 1) - 1
      if (left > 0) counts.set(slotId, left)
      else counts.delete(slotId)
    })
  })

  return (socket) => {
    const slotId = slotIds.get(socket)
    return slotId === undefined ? undefined : options.slots.findById(slotId)
  }
}
