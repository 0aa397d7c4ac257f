import { z } from 'zod'
import { logLineSchema } from '../http/schemas/instances.ts'
import type { ReefClient } from './client.ts'
import { CliError } from './failure.ts'

export type LogLine = z.infer<typeof logLineSchema>

/** What this command needs of the realtime WebSocket's messages. */
const messageSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('authenticated') }),
  z.object({ type: z.literal('logs'), lines: z.array(logLineSchema) }),
  z.object({ type: z.literal('error'), error: z.object({ code: z.string(), message: z.string() }) }),
])

const backoffMillisecondsMin = 250
const backoffMillisecondsMax = 5_000

/**
 * The instance's log lines as they are written, first the latest ones. Reconnects when Reef restarts, without repeating
 * a line. Ends only by throwing: for a refusal, or when Reef did not answer at first.
 */
export async function* followLogs(client: ReefClient, instanceId: string): AsyncGenerator<LogLine> {
  const printed = rememberLatest()
  let failures = 0
  let connected = false
  for (;;) {
    try {
      let isTail = true
      for await (const lines of connectOnce(client, instanceId)) {
        failures = 0
        connected = true
        // Each connection starts with the tail; what was printed before it is in there again.
        const fresh = isTail ? lines.filter((line) => !printed.has(line)) : lines
        isTail = false
        for (const line of fresh) {
          printed.add(line)
          yield line
        }
      }
    } catch (error) {
      if (!connected || !isPassing(error)) throw error
    }
    const wait = Math.min(backoffMillisecondsMax, backoffMillisecondsMin * 2 ** failures)
    failures += 1
    await new Promise((done) => setTimeout(done, wait))
  }
}

/** Which lines were printed, as far as a tail can repeat them: the latest moment is kept with all lines of that moment. */
export function rememberLatest() {
  let latestAt = ''
  let texts = new Set<string>()
  return {
    add: (line: LogLine): void => {
      if (line.at > latestAt) {
        latestAt = line.at
        texts = new Set()
      }
      if (line.at === latestAt) texts.add(line.text)
    },
    has: (line: LogLine): boolean => line.at < latestAt || (line.at === latestAt && texts.has(line.text)),
  }
}

/** Batches of lines, the tail first. Ends when the connection does. */
async function* connectOnce(client: ReefClient, instanceId: string): AsyncGenerator<LogLine[]> {
  const accessToken = await client.bearer()
  const organizationId = await client.organizationId()
  const url = new URL('/realtime', client.url)
  url.protocol = url.protocol.replace('http', 'ws')
  const socket = new WebSocket(url)
  const queue: (LogLine[] | Error | undefined)[] = []
  let wake = () => {}
  const push = (item: LogLine[] | Error | undefined) => {
    queue.push(item)
    wake()
  }
  socket.onopen = () =>
    socket.send(
      JSON.stringify({ type: 'authenticate', accessToken, ...(organizationId ? { organizationId } : {}) }),
    )
  socket.onclose = () => push(undefined)
  socket.onerror = () =>
    push(new CliError('unreachable', `Reef at ${client.url} does not answer. Is it running?`))
  socket.onmessage = ({ data }) => {
    const parsed = messageSchema.safeParse(JSON.parse(String(data)))
    // Other kinds of message are for other subscribers.
    if (!parsed.success) return
    const message = parsed.data
    if (message.type === 'authenticated')
      socket.send(JSON.stringify({ type: 'subscribe', topic: 'logs', instanceId }))
    else if (message.type === 'logs') push(message.lines)
    else push(toCliError(message.error))
  }
  try {
    for (;;) {
      if (queue.length === 0)
        await new Promise<void>((done) => {
          wake = done
        })
      const item = queue.shift()
      if (item === undefined) return
      if (item instanceof Error) throw item
      yield item
    }
  } finally {
    socket.close()
  }
}

/** A Reef that restarts, and a token that ran out meanwhile, are cured by connecting again. */
function isPassing(error: unknown): boolean {
  if (!(error instanceof CliError)) return false
  return error.reason === 'unreachable' || error.code === 'access_token_expired'
}

function toCliError(error: { code: string; message: string }): CliError {
  return new CliError(error.code === 'not_found' ? 'notFound' : 'failed', error.message, { code: error.code })
}
