import { execFile } from 'node:child_process'
import { Agent, request } from 'node:http'
import { createRequire } from 'node:module'
import { promisify } from 'node:util'
import { WebSocket } from 'ws'
import { percentile } from './statistics.ts'

/** One way to the upstream, and what a client must send on it. */
export interface Way {
  port: number
  headers: Record<string, string>
  webSocketHeaders: Record<string, string>
}

const autocannon = createRequire(import.meta.url).resolve('autocannon')

/** Requests per second with 32 connections that never wait, or the latency at a rate that leaves room. */
export async function loadKeepAlive(
  way: Way,
  options: { seconds: number; requestsPerSecond?: number },
): Promise<{ requests: number; requestsPerSecond: number; p99Milliseconds: number }> {
  const rate = options.requestsPerSecond === undefined ? [] : ['-R', String(options.requestsPerSecond)]
  const headers = Object.entries(way.headers).flatMap(([name, value]) => ['-H', `${name}=${value}`])
  const { stdout } = await promisify(execFile)(process.execPath, [
    ...[autocannon, '-c', '32', '-d', String(options.seconds), '-j', ...rate, ...headers],
    `http://127.0.0.1:${way.port}/v1/kilobyte`,
  ])
  const result = JSON.parse(stdout)
  if (result.errors + result.non2xx > 0) throw new Error(`${result.errors + result.non2xx} requests failed`)
  return {
    requests: result.requests.total,
    requestsPerSecond: result.requests.average,
    p99Milliseconds: result.latency.p99,
  }
}

/** From sending a request to the first byte of an event stream's body, one after another. Milliseconds. */
export async function measureFirstByte(way: Way, count: number): Promise<number[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const times: number[] = []
  for (let index = 0; index < count; index++) {
    const startedAt = performance.now()
    await new Promise<void>((done, fail) => {
      const options = { host: '127.0.0.1', port: way.port, path: '/v1/stream', headers: way.headers, agent }
      const sent = request(options, (response) => {
        response.once('data', () => times.push(performance.now() - startedAt))
        response.resume()
        response.once('end', done)
      })
      sent.once('error', fail)
      sent.end()
    })
  }
  agent.destroy()
  return times.slice(Math.floor(count / 5))
}

function open(way: Way): Promise<WebSocket> {
  return new Promise((done, fail) => {
    const socket = new WebSocket(`ws://127.0.0.1:${way.port}/`, {
      headers: way.webSocketHeaders,
      perMessageDeflate: false,
    })
    socket.once('open', () => done(socket))
    socket.once('error', fail)
  })
}

/** Round trips of a short text over one WebSocket, one after another. Milliseconds. */
export async function measureEcho(way: Way, count: number): Promise<number[]> {
  const socket = await open(way)
  const times: number[] = []
  for (let index = 0; index < count; index++) {
    const startedAt = performance.now()
    await new Promise<void>((done) => {
      socket.once('message', () => done())
      socket.send('ping')
    })
    times.push(performance.now() - startedAt)
  }
  socket.terminate()
  return times.slice(Math.floor(count / 5))
}

/** Opens so many WebSockets that say nothing; the caller closes them. */
export async function openIdle(way: Way, count: number): Promise<() => void> {
  const sockets: WebSocket[] = []
  while (sockets.length < count)
    sockets.push(
      ...(await Promise.all(Array.from({ length: Math.min(100, count - sockets.length) }, () => open(way)))),
    )
  return () => {
    for (const socket of sockets) socket.terminate()
  }
}

export function percentileOf(rounds: readonly number[][], percent: number): number {
  return percentile(rounds.flat(), percent)
}
