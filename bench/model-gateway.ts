import { once } from 'node:events'
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http'
import { type ListeningChild, processorSeconds, residentBytes, startChild } from './support/child.ts'
import { report } from './support/report.ts'
import { percentile, rounded } from './support/statistics.ts'

/**
 * What the model gateway adds to a call: the time to the first token, one call at a time and with many streams in
 * flight, against calling the same upstream directly in the same run. The two take turns. Upstream, gateway and load
 * are processes of their own; every call is recorded in a real PostgreSQL and paid for from one organization's credits,
 * and at the end the records and the ledger are compared with what the upstream reported.
 */
const calls = Number(process.argv[2] ?? 400)
const streams = Number(process.argv[3] ?? 1000)
const wordsPerStream = 40
const pauseMilliseconds = 250

interface Way {
  name: string
  port: number
  path: string
  key: string
}

interface Stream {
  firstTokenMilliseconds: number
  /** How long each word was on its way from the upstream. */
  delays: number[]
}

const agent = new Agent({ keepAlive: true })
// About what OpenClaw sends before a person's first word.
const system = 'x'.repeat(60_000)

async function stream(way: Way, words: number, pause: number): Promise<Stream> {
  const body = JSON.stringify({
    model: 'bench',
    stream: true,
    stream_options: { include_usage: true },
    user: `words=${words} pause=${pause}`,
    messages: [
      { role: 'system', content: system },
      { role: 'user', content: 'hello' },
    ],
  })
  const started = performance.now()
  const request = httpRequest({
    host: '127.0.0.1',
    port: way.port,
    path: way.path,
    method: 'POST',
    agent,
    headers: { 'content-type': 'application/json', authorization: `Bearer ${way.key}` },
  })
  request.end(body)
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  if (response.statusCode !== 200) throw new Error(`${way.name} answered ${response.statusCode}`)
  let firstTokenMilliseconds = 0
  const delays: number[] = []
  let text = ''
  for await (const chunk of response) {
    const now = performance.timeOrigin + performance.now()
    text = chunk.toString()
    for (const [, sent] of text.matchAll(/"content":"([\d.]+) "/g)) {
      firstTokenMilliseconds ||= performance.now() - started
      delays.push(now - Number(sent))
    }
  }
  if (!text.endsWith('data: [DONE]\n\n')) throw new Error(`${way.name} ended early`)
  if (delays.length !== words) throw new Error(`${way.name} lost words: ${delays.length} of ${words}`)
  return { firstTokenMilliseconds, delays }
}

async function oneAtATime(ways: Way[]): Promise<Map<string, number[]>> {
  const times = new Map(ways.map((way) => [way.name, [] as number[]]))
  for (let call = -50; call < calls; call++)
    for (const way of ways) {
      const { firstTokenMilliseconds } = await stream(way, 1, 0)
      // The first fifty warm both ways up.
      if (call >= 0) times.get(way.name)?.push(firstTokenMilliseconds)
    }
  return times
}

async function manyAtOnce(way: Way): Promise<Stream[]> {
  return Promise.all(
    Array.from({ length: streams }, async (_, index) => {
      // Spread over a pause, so that the words of all streams do not come at the same moment.
      await new Promise((resolve) => setTimeout(resolve, (index / streams) * 2000))
      return stream(way, wordsPerStream, pauseMilliseconds)
    }),
  )
}

/** How long a call without credits waits for its refusal: alone, and with a hundred at once. */
async function refusals(port: number, key: string): Promise<number[][]> {
  const body = JSON.stringify({ model: 'bench', messages: [{ role: 'user', content: system }] })
  const refuse = async (): Promise<number> => {
    const started = performance.now()
    const request = httpRequest({
      host: '127.0.0.1',
      port,
      path: '/models/v1/chat/completions',
      method: 'POST',
      agent,
      headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
    })
    request.end(body)
    const [response] = (await once(request, 'response')) as [IncomingMessage]
    for await (const _ of response);
    if (response.statusCode !== 402) throw new Error(`answered ${response.statusCode} and not 402`)
    return performance.now() - started
  }
  const alone: number[] = []
  for (let call = 0; call < calls; call++) alone.push(await refuse())
  const together: number[] = []
  for (let round = 0; round < 10; round++)
    together.push(...(await Promise.all(Array.from({ length: 100 }, refuse))))
  return [alone, together]
}

function figures(values: number[]): number[] {
  return [50, 99].map((percent) => rounded(percentile(values, percent)))
}

async function recordsAgree(
  upstream: ListeningChild,
  gateway: ListeningChild,
  direct: number,
): Promise<string> {
  const read = async (child: ListeningChild) =>
    (await fetch(`http://127.0.0.1:${child.words[0]}/used`)).text()
  const deadline = Date.now() + 20_000
  let recorded = { tokens: 0, pending: 1, cost: 0, spent: 0 }
  while (recorded.pending > 0 && Date.now() < deadline) recorded = JSON.parse(await read(gateway))
  const reported = Number(await read(upstream)) - direct
  const tokens =
    recorded.tokens === reported ? `exact (${reported} tokens)` : `${recorded.tokens} of ${reported} tokens`
  const ledger =
    recorded.cost === recorded.spent
      ? `exact (${recorded.spent} micro-credits)`
      : `${recorded.spent} spent of ${recorded.cost} charged`
  return `${tokens}; the ledger against the records: ${ledger}`
}

const upstream = await startChild(new URL('./support/model-upstream.ts', import.meta.url), [])
const gateway = await startChild(new URL('./support/model-gateway-reef.ts', import.meta.url), [
  `http://127.0.0.1:${upstream.words[0]}/v1`,
])
const direct: Way = {
  name: 'direct',
  port: Number(upstream.words[0]),
  path: '/v1/chat/completions',
  key: 'k',
}
const through: Way = {
  name: 'through Reef',
  port: Number(gateway.words[0]),
  path: '/models/v1/chat/completions',
  key: gateway.words[1] ?? '',
}
try {
  const single = await oneAtATime([direct, through])
  const pid = gateway.process.pid as number
  const rows: (string | number)[][] = []
  for (const [name, times] of single)
    rows.push([`first token, one at a time: ${name} (ms)`, ...figures(times)])
  const difference =
    percentile(single.get(through.name) ?? [], 50) - percentile(single.get(direct.name) ?? [], 50)
  let busy = 0
  for (const way of [direct, through]) {
    const before = await processorSeconds(pid)
    const results = await manyAtOnce(way)
    if (way === through) busy = (await processorSeconds(pid)) - before
    const label = `${streams} streams: ${way.name}`
    rows.push([
      `first token, ${label} (ms)`,
      ...figures(results.map((result) => result.firstTokenMilliseconds)),
    ])
    rows.push([`a word on its way, ${label} (ms)`, ...figures(results.flatMap((result) => result.delays))])
  }
  const [alone = [], together = []] = await refusals(through.port, gateway.words[2] ?? '')
  rows.push(['refused at zero, one at a time (ms)', ...figures(alone)])
  rows.push(['refused at zero, 100 at once (ms)', ...figures(together)])
  const directTokens = calls + 50 + streams * wordsPerStream
  await report('model-gateway', {
    title: 'Model gateway: what it adds to a call',
    columns: ['figure', 'p50', 'p99'],
    rows,
    notes: [
      `Added to the first token at the median: ${rounded(difference)} ms; one row and one reservation are committed before each call.`,
      `Gateway while ${streams} streams ran: ${rounded(busy)} s of processor, ${Math.round((await residentBytes(pid)) / 1024 ** 2)} MiB resident.`,
      `Recorded usage against what the upstream reported: ${await recordsAgree(upstream, gateway, directTokens)}.`,
    ],
  })
} finally {
  agent.destroy()
  await upstream.stop()
  // It has a database to stop and a directory to remove.
  gateway.process.removeAllListeners('exit')
  gateway.process.kill('SIGTERM')
  await once(gateway.process, 'exit')
}
