import { createWriteStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { pipeline } from 'node:stream/promises'

/** A control plane's end of a backup's delivery and nothing else of it: parts go to their place in one file. */
export async function startPartStore(path: string): Promise<{ origin: string; close(): void }> {
  await (await open(path, 'w')).close()
  const server = createServer(async (request, response) => {
    const start = Number(new URL(request.url ?? '', 'http://localhost').searchParams.get('offset'))
    await pipeline(request, createWriteStream(path, { flags: 'r+', start }))
    response.end('{}')
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}
