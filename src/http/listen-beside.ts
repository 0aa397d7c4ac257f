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
): Promise<() => void> {
  const listeners: Server[] = []
  // Connections are the HTTP server's own by now and end with it: to wait for them here would be to wait for clients.
  const close = (): void => {
    for (const one of listeners) one.close()
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
    close()
    throw error
  }
  return close
}
