import { createServer } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { createProxyServer } from 'httpxy'

/** httpxy with nothing around it: no routes, no credentials, no header rules. */
const target = process.argv[2] as string
const proxy = createProxyServer({ target })
const server = createServer((request, response) => {
  proxy.web(request, response).catch(() => response.destroy())
})
server.on('upgrade', (request, socket, head) => {
  proxy.ws(request, socket as Socket, {}, head).catch(() => socket.destroy())
})
server.listen(0, '127.0.0.1', () => console.log(`listening ${(server.address() as AddressInfo).port}`))
