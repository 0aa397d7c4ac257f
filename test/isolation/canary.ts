import { createSocket } from 'node:dgram'
import { createServer as createHttpServer } from 'node:http'
import { createServer } from 'node:net'

/**
 * Listens where nothing from an instance may arrive, and writes down whatever does. Runs in a container of its own:
 * `canary.ts ADDRESS TCP,PORTS UDP,PORTS HTTP,PORTS`. At the HTTP ports it answers, and streams at `/stream`.
 */
const [address = '', tcp = '', udp = '', http = ''] = process.argv.slice(2)
const ports = (text: string): number[] => text.split(',').filter(Boolean).map(Number)

const tell = (seen: object): void => {
  process.stdout.write(`${JSON.stringify(seen)}\n`)
}
process.on('uncaughtException', (error) => tell({ kind: 'problem', text: error.message }))

for (const port of ports(tcp))
  createServer((socket) => {
    tell({ kind: 'tcp', port, from: socket.remoteAddress })
    socket.on('error', () => undefined)
    socket.on('data', (data) => tell({ kind: 'data', port, hex: data.subarray(0, 2_000).toString('hex') }))
  }).listen(port, address)

for (const port of ports(udp)) {
  const socket = createSocket('udp4')
  socket.on('message', (data, from) =>
    tell({ kind: 'udp', port, from: from.address, hex: data.subarray(0, 200).toString('hex') }),
  )
  socket.bind(port, address)
}

for (const port of ports(http))
  createHttpServer((request, answer) => {
    tell({ kind: 'http', port, host: request.headers.host, url: request.url })
    if (request.url !== '/stream') return void answer.end('outside')
    answer.write('tick\n')
    const timer = setInterval(() => answer.write('tick\n'), 50)
    answer.once('close', () => clearInterval(timer))
  }).listen(port, address)

tell({ kind: 'listening' })
