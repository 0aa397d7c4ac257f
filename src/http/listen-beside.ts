import type { Server as HttpServer } from 'node:http'
import { createServer, type Server } from 'node:net'

/**
 * Lets an HTTP server that already listens be reached on more addresses of this machine, same port: what connects there
 * is handed to it as if it had come by its own. Answers how to stop.
 */
export async function listenBeside(
  server: HttpServer,
  addresses: string[],
  port: number,
): Promise<() => Promise<void>> {
  const listeners: Server[] = []
  const close = async (): Promise<void> => {
    // Connections are the HTTP server's own by now, and end with it.
    await Promise.all(listeners.map((one) => new Promise((done) => one.close(done))))
  }
  try {
    for (const host of addresses) {
      const one = createServer((socket) => server.emit('connection', socket))
      await new Promise<void>((done, failed) => {
        one.once('error', failed)
        one.listen(port, host, done)
      })
      listeners.push(one)
    }
  } catch (error) {
    await close()
    throw error
  }
  return close
}
