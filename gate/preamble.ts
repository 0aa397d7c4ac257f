import type { Socket } from 'node:net'

/**
 * Reads from a socket until `parse` is content, and puts back whatever it did not use. The socket is left paused with
 * its bytes in it. Undefined when the socket ended, time ran out or `parse` threw up its hands.
 */
export function readHead<T>(
  socket: Socket,
  parse: (bytes: Buffer) => { used: number; value: T } | 'more' | 'invalid',
  milliseconds: number,
): Promise<T | undefined> {
  return new Promise((resolve) => {
    let bytes = Buffer.alloc(0)
    const finish = (value: T | undefined): void => {
      clearTimeout(timer)
      socket.off('readable', read)
      socket.off('end', leave)
      socket.off('close', leave)
      socket.off('error', leave)
      resolve(value)
    }
    const leave = (): void => finish(undefined)
    const read = (): void => {
      const chunk = socket.read() as Buffer | null
      if (chunk === null) return
      bytes = Buffer.concat([bytes, chunk])
      const parsed = parse(bytes)
      if (parsed === 'more') return
      if (parsed !== 'invalid' && parsed.used < bytes.length) socket.unshift(bytes.subarray(parsed.used))
      finish(parsed === 'invalid' ? undefined : parsed.value)
    }
    const timer = setTimeout(leave, milliseconds)
    socket.on('readable', read)
    socket.once('end', leave)
    socket.once('close', leave)
    socket.on('error', leave)
  })
}
