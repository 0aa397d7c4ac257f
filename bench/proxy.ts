import { spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import {
  type ListeningChild,
  processorSeconds,
  residentBytes,
  startChild,
  stopChild,
} from './support/child.ts'
import {
  loadKeepAlive,
  measureEcho,
  measureFirstByte,
  openIdle,
  percentileOf,
  type Way,
} from './support/proxy-load.ts'
import { report } from './support/report.ts'
import { median, rounded } from './support/statistics.ts'

/**
 * Reef's proxy with all its rules on, against configurable-http-proxy and bare httpxy, in front of the same upstream in
 * the same run. The contenders take turns in every round, so that a slow spell of the machine hits all of them.
 * Each contender, the upstream and the load are processes of their own.
 */
const rounds = Number(process.argv[2] ?? 5)
const seconds = Number(process.argv[3] ?? 4)
const idleSockets = Number(process.argv[4] ?? 1_000)
/** Low enough for every contender on a small machine, so that p99 shows the way and not the queue. */
const steadyRequestsPerSecond = 1_000

interface Contender {
  name: string
  way: Way
  pid: number | undefined
  stop(): Promise<void>
}

const support = (file: string): URL => new URL(`./support/${file}`, import.meta.url)

async function startReef(upstreamUrl: string): Promise<Contender> {
  const child = await startChild(support('proxy-reef.ts'), [upstreamUrl])
  const [port = '', cookie = ''] = child.words
  const host = `bench.localhost:${port}`
  return {
    name: 'reef',
    way: {
      port: Number(port),
      headers: { authorization: 'Bearer a-token-of-a-common-length-abcdefghijklmnopqrstuvwxyz' },
      webSocketHeaders: { host, origin: `http://${host}`, cookie },
    },
    pid: child.process.pid,
    stop: child.stop,
  }
}

async function startHttpxy(upstreamUrl: string): Promise<Contender> {
  const child = await startChild(support('proxy-httpxy.ts'), [upstreamUrl])
  const way = { port: Number(child.words[0]), headers: {}, webSocketHeaders: {} }
  return { name: 'httpxy, bare', way, pid: child.process.pid, stop: child.stop }
}

async function startConfigurable(upstreamUrl: string): Promise<Contender> {
  const [port, apiPort] = [await freePort(), await freePort()]
  const root = dirname(createRequire(import.meta.url).resolve('configurable-http-proxy/package.json'))
  const child = spawn(
    process.execPath,
    [
      join(root, 'bin/configurable-http-proxy'),
      ...[
        '--ip',
        '127.0.0.1',
        '--port',
        String(port),
        '--api-ip',
        '127.0.0.1',
        '--api-port',
        String(apiPort),
      ],
      ...['--default-target', upstreamUrl, '--log-level', 'error'],
    ],
    // Its API warns that no token is set; it serves this machine only, for the length of the run.
    { stdio: 'ignore' },
  )
  const way = { port, headers: {}, webSocketHeaders: {} }
  for (let attempt = 0; ; attempt++) {
    const answers = await fetch(`http://127.0.0.1:${port}/`).then(
      () => true,
      () => false,
    )
    if (answers) break
    if (attempt > 200) throw new Error('configurable-http-proxy does not listen')
    await new Promise((done) => setTimeout(done, 50))
  }
  return { name: 'configurable-http-proxy', way, pid: child.pid, stop: () => stopChild(child) }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const { port } = server.address() as { port: number }
  await new Promise((done) => server.close(done))
  return port
}

function perProcessorSecond(own: number[], peer: number[]): (number | string)[] {
  if (own.some(Number.isNaN)) return ['-', '-']
  return [median(own), median(own.map((value, round) => value / (peer[round] ?? Number.NaN)))]
}

/** Resident memory per idle WebSocket, in a process that has done nothing else. */
async function measureIdleMemory(start: (url: string) => Promise<Contender>, url: string): Promise<number> {
  const contender = await start(url)
  try {
    const warm = await openIdle(contender.way, 20)
    const before = await residentBytes(contender.pid as number)
    const close = await openIdle(contender.way, idleSockets)
    const after = await residentBytes(contender.pid as number)
    close()
    warm()
    return (after - before) / idleSockets
  } finally {
    await contender.stop()
  }
}

const upstream: ListeningChild = await startChild(support('proxy-upstream.ts'), [])
const upstreamPort = Number(upstream.words[0])
const upstreamUrl = `http://127.0.0.1:${upstreamPort}`
const starts = [startReef, startConfigurable, startHttpxy]
const direct: Contender = {
  name: 'no proxy',
  way: { port: upstreamPort, headers: {}, webSocketHeaders: {} },
  pid: undefined,
  stop: async () => {},
}
const contenders = [direct, ...(await Promise.all(starts.map((start) => start(upstreamUrl))))]
const figures = contenders.map((contender) => ({
  contender,
  throughput: [] as number[],
  perProcessorSecond: [] as number[],
  steadyP99: [] as number[],
  firstByte: [] as number[][],
  echo: [] as number[][],
}))

try {
  for (const { contender } of figures) await loadKeepAlive(contender.way, { seconds: 3 })
  for (let round = 0; round < rounds; round++)
    for (const figure of figures) {
      const { way, pid } = figure.contender
      const used = () => (pid === undefined ? Promise.resolve(Number.NaN) : processorSeconds(pid))
      const before = await used()
      const full = await loadKeepAlive(way, { seconds })
      figure.throughput.push(full.requestsPerSecond)
      figure.perProcessorSecond.push(full.requests / ((await used()) - before))
      const steady = await loadKeepAlive(way, { seconds, requestsPerSecond: steadyRequestsPerSecond })
      figure.steadyP99.push(steady.p99Milliseconds)
      figure.firstByte.push(await measureFirstByte(way, 500))
      figure.echo.push(await measureEcho(way, 2_000))
    }
  const memory = [Number.NaN]
  for (const start of starts) memory.push(await measureIdleMemory(start, upstreamUrl))

  const peer = figures.find(({ contender }) => contender.name === 'configurable-http-proxy')
  await report('proxy', {
    title: `Proxy: 1 kB keep-alive, event streams and WebSockets; medians of ${rounds} rounds`,
    columns: [
      ...['contender', 'requests/s', 'per processor second', 'times configurable-http-proxy'],
      ...[
        `p99 at ${steadyRequestsPerSecond}/s (ms)`,
        'SSE first byte p50 (ms)',
        'p99',
        'WebSocket echo p50 (ms)',
        'p99',
        'kB per idle WebSocket',
      ],
    ],
    rows: figures.map((figure, index) => [
      figure.contender.name,
      median(figure.throughput),
      ...perProcessorSecond(figure.perProcessorSecond, peer?.perProcessorSecond ?? []),
      median(figure.steadyP99),
      ...[rounded(percentileOf(figure.firstByte, 50)), rounded(percentileOf(figure.firstByte, 99))],
      ...[rounded(percentileOf(figure.echo, 50)), rounded(percentileOf(figure.echo, 99))],
      Number.isNaN(memory[index]) ? '-' : rounded((memory[index] as number) / 1024),
    ]),
    notes: [
      'Per processor second: requests per second of processor time of the contender alone, which other work on the machine hardly changes; the last round by round.',
      'Reef checks a credential, finds the instance and rewrites all headers; the others forward as it comes.',
      `Memory: growth of the resident set by ${idleSockets} idle WebSockets in a fresh process.`,
    ],
  })
} finally {
  for (const contender of contenders) await contender.stop()
  await upstream.stop()
}
