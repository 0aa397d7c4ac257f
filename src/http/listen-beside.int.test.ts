import { once } from 'node:events'
import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { listenBeside } from './listen-beside.ts'

const server = createServer((request, response) => response.end(request.socket.localAddress))
afterEach(() => server.close())

test.skipIf(process.platform !== 'linux')(
  'a server answers on the addresses beside its own, until that is stopped',
  async () => {
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
    const { port } = server.address() as AddressInfo
    const close = await listenBeside(server, ['127.0.0.2', '127.0.0.3'], port)
    for (const address of ['127.0.0.1', '127.0.0.2', '127.0.0.3']) {
      const response = await fetch(`http://${address}:${port}`, { headers: { connection: 'close' } })
      expect(await response.text()).toBe(address)
    }
    close()
    await expect(fetch(`http://127.0.0.2:${port}`)).rejects.toThrow()
    expect((await fetch(`http://127.0.0.1:${port}`)).status).toBe(200)
  },
)

test.skipIf(process.platform !== 'linux')(
  'an address that is not of this machine leaves none of the others behind',
  async () => {
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
    const { port } = server.address() as AddressInfo
    await expect(listenBeside(server, ['127.0.0.2', '203.0.113.1'], port)).rejects.toThrow('EADDRNOTAVAIL')
    await expect(fetch(`http://127.0.0.2:${port}`)).rejects.toThrow()
  },
)

test.skipIf(process.platform !== 'linux')(
  'a client that stays connected does not hold up the end',
  async () => {
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
    const { port } = server.address() as AddressInfo
    const close = await listenBeside(server, ['127.0.0.2'], port)
    const client = connect(port, '127.0.0.2')
    await once(client, 'connect')
    close()
    await expect(fetch(`http://127.0.0.2:${port}`)).rejects.toThrow()
    expect(client.destroyed).toBe(false)
    client.destroy()
  },
)
