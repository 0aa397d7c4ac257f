import { connect, type Socket } from 'node:net'

/** Connects to the first of the addresses that answers; throws the last one's error. Addresses, never names. */
export async function dial(
  addresses: readonly string[],
  port: number,
  options: { seconds: number },
): Promise<Socket> {
  let failure: unknown = new Error('there is no address')
  for (const address of addresses.slice(0, addressesMax))
    try {
      return await dialOne(address, port, options.seconds)
    } catch (error) {
      failure = error
    }
  throw failure
}

const addressesMax = 3

function dialOne(host: string, port: number, seconds: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, allowHalfOpen: true, noDelay: true })
    const timer = setTimeout(() => socket.destroy(new Error('nobody answered in time')), seconds * 1000)
    const fail = (error: Error): void => {
      clearTimeout(timer)
      reject(error)
    }
    socket.once('error', fail)
    socket.once('connect', () => {
      clearTimeout(timer)
      socket.off('error', fail)
      // Whoever takes it over adds listeners of its own; until then an error must not end the process.
      socket.on('error', () => undefined)
      resolve(socket)
    })
  })
}
