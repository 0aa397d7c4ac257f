import type { Socket } from 'node:net'

/** From the first sign that a peer is silent until TCP asks whether it is still there. */
const keepAliveMilliseconds = 30_000

/**
 * Ties two sockets together: bytes flow as fast as the slower reads, each direction ends on its own, and when one side
 * breaks so does the other. `onEnd` is called once, when neither is open any more.
 */
export function splice(
  a: Socket,
  b: Socket,
  options: { idleSeconds: number; onEnd?: (() => void) | undefined },
): void {
  let open = 2
  for (const [socket, other] of [
    [a, b],
    [b, a],
  ] as const) {
    socket.setNoDelay(true)
    socket.setKeepAlive(true, keepAliveMilliseconds)
    // Each side sees both directions: what is written to it counts as activity too.
    socket.setTimeout(options.idleSeconds * 1000, () => socket.destroy())
    socket.on('error', () => other.destroy())
    socket.once('close', () => {
      other.destroy()
      open -= 1
      if (open === 0) options.onEnd?.()
    })
    if (socket.destroyed) other.destroy()
    socket.pipe(other)
  }
}
