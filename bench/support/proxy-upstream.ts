import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { WebSocketServer } from 'ws'

/** What every contender forwards to: 1 kB at once, an event stream whose first event comes at once, a WebSocket echo. */
const kilobyte = Buffer.alloc(1024, 'x')

const server = createServer((request, response) => {
  if (request.url?.endsWith('/stream')) {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.end('data: first\n\n')
    return
  }
  response.writeHead(200, { 'content-type': 'text/plain', 'content-length': kilobyte.length })
  response.end(kilobyte)
})
server.keepAliveTimeout = 60_000
const webSockets = new WebSocketServer({ server, perMessageDeflate: false })
webSockets.on('connection', (socket) => {
  socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
  socket.on('error', () => socket.terminate())
})
server.listen(0, '127.0.0.1', () => console.log(`listening ${(server.address() as AddressInfo).port}`))
