import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

type Json = Record<string, unknown>

export interface SeenRequest {
  path: string
  headers: IncomingMessage['headers']
  body: Json
  /** True once the gateway closed the connection before the answer had ended. */
  aborted: boolean
  /** Of a stream, how much was handed to the connection. */
  sentBytes: number
}

/** How the provider behaves until told otherwise. */
export interface Behaviour {
  /** Words of the answer. */
  words: string[]
  /** Between two words, in milliseconds. */
  wordMilliseconds: number
  /** Refuse with this status; `body` and `headers` as given. */
  refuse: { status: number; body: string; headers?: Record<string, string> } | null
  /** Close the connection after this many words. */
  cutAfterWords: number | null
  /** Added to the stream as an event after the words, for example an error. */
  extraEvent: string | null
  /** What follows the extra event: the end of the answer, a broken connection, or nothing. */
  afterExtraEvent: 'end' | 'cut' | 'silence'
  /** Send each stream in pieces of this many bytes, across characters and events alike. */
  pieceBytes: number | null
}

export interface FakeModelProvider {
  url: string
  key: string
  seen: SeenRequest[]
  behaviour: Behaviour
  /** Everything it has ever reported as used, summed. */
  reported: { inputTokens: number; outputTokens: number; cachedInputTokens: number; reasoningTokens: number }
  close(): Promise<void>
}

const standard: Behaviour = {
  words: ['One', ' two', ' three', ' €'],
  wordMilliseconds: 0,
  refuse: null,
  cutAfterWords: null,
  extraEvent: null,
  afterExtraEvent: 'end',
  pieceBytes: null,
}

/**
 * Behaves like OpenAI's and Anthropic's servers as far as the gateway can tell: it knows its key, checks the model,
 * counts what it used, writes no more than it is asked to, and sends the usage of a stream of chat completions only when
 * asked. A request may say how it wants to be treated in a field that no real server has: `behaviour`.
 */
export async function startFakeModelProvider(key: string): Promise<FakeModelProvider> {
  const seen: SeenRequest[] = []
  const reported = { inputTokens: 0, outputTokens: 0, cachedInputTokens: 0, reasoningTokens: 0 }
  const provider = { url: '', key, seen, behaviour: { ...standard }, reported, close: async () => {} }
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const body = JSON.parse(Buffer.concat(chunks).toString()) as Json
    const record: SeenRequest = {
      path: request.url ?? '',
      headers: request.headers,
      body,
      aborted: false,
      sentBytes: 0,
    }
    seen.push(record)
    response.on('close', () => {
      record.aborted = !response.writableFinished
    })
    await answer(provider, record, response).catch(() => response.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  provider.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  provider.close = async () => {
    server.closeAllConnections()
    server.close()
  }
  return provider
}

async function answer(provider: FakeModelProvider, request: SeenRequest, response: ServerResponse) {
  const { key } = provider
  const behaviour: Behaviour = { ...provider.behaviour, ...(request.body.behaviour as Partial<Behaviour>) }
  const given = request.headers['x-api-key'] ?? request.headers.authorization?.replace('Bearer ', '')
  const refusal =
    given === key
      ? behaviour.refuse
      : {
          status: 401,
          body: JSON.stringify({
            error: {
              message: `Incorrect API key provided: ${given}.`,
              type: 'invalid_request_error',
              code: 'invalid_api_key',
            },
          }),
        }
  if (refusal) {
    response.writeHead(refusal.status, {
      'content-type': 'application/json',
      'openai-organization': 'org-secretorganization',
      ...('headers' in refusal ? refusal.headers : {}),
    })
    response.end(refusal.body)
    return
  }
  const inputTokens = JSON.stringify(request.body.messages ?? request.body.input).length
  const { max_tokens, max_completion_tokens, max_output_tokens } = request.body
  const most = Number(max_completion_tokens ?? max_output_tokens ?? max_tokens ?? Number.POSITIVE_INFINITY)
  const reasoningTokens = Math.min(5, most)
  const words = behaviour.words.slice(0, most - reasoningTokens)
  const usage = {
    inputTokens,
    cachedInputTokens: Math.floor(inputTokens / 2),
    outputTokens: words.length + reasoningTokens,
    reasoningTokens,
  }
  const shape = shapes[request.path.replace(/^\/v1/, '')]
  if (!shape) {
    response.writeHead(404).end('<html>not here</html>')
    return
  }
  const count = (): void => {
    for (const name of Object.keys(usage) as (keyof typeof usage)[]) provider.reported[name] += usage[name]
  }
  const { start, word, end, whole } = shape(request.body, words.join(''), usage)
  if (request.body.stream !== true) {
    await delay(behaviour.wordMilliseconds)
    if (behaviour.cutAfterWords !== null) {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': 1000 })
      response.write('{"id":')
      await delay(20)
      response.destroy()
      return
    }
    count()
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(whole))
    return
  }
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' })
  const closed = once(response, 'close')
  const write = async (text: string): Promise<void> => {
    const bytes = Buffer.from(text)
    const size = behaviour.pieceBytes ?? bytes.length
    for (let at = 0; at < bytes.length; at += size) {
      request.sentBytes += Math.min(size, bytes.length - at)
      if (!response.write(bytes.subarray(at, at + size)))
        await Promise.race([once(response, 'drain'), closed])
      if (behaviour.pieceBytes) await new Promise((resolve) => setImmediate(resolve))
    }
  }
  await write(start)
  for (const [index, text] of words.entries()) {
    if (behaviour.cutAfterWords === index) {
      // What was sent so far is to arrive before the connection breaks.
      await delay(20)
      response.destroy()
      return
    }
    if (behaviour.wordMilliseconds > 0) await delay(behaviour.wordMilliseconds)
    if (response.destroyed) return
    await write(word(text))
  }
  if (behaviour.extraEvent !== null) {
    await write(behaviour.extraEvent)
    if (behaviour.afterExtraEvent === 'end') response.end()
    if (behaviour.afterExtraEvent === 'cut') {
      // What was sent so far is to arrive before the connection breaks.
      await delay(20)
      response.destroy()
    }
    return
  }
  count()
  await write(end)
  response.end()
}

interface Usage {
  inputTokens: number
  cachedInputTokens: number
  outputTokens: number
  reasoningTokens: number
}
type Shape = (
  body: Json,
  text: string,
  usage: Usage,
) => { start: string; word(text: string): string; end: string; whole: Json }

const data = (value: Json, event?: string): string =>
  `${event ? `event: ${event}\n` : ''}data: ${JSON.stringify(value)}\n\n`

const chat: Shape = (body, text, used) => {
  const usage = {
    prompt_tokens: used.inputTokens,
    completion_tokens: used.outputTokens,
    total_tokens: used.inputTokens + used.outputTokens,
    prompt_tokens_details: { cached_tokens: used.cachedInputTokens },
    completion_tokens_details: { reasoning_tokens: used.reasoningTokens },
  }
  const asked = (body.stream_options as Json | undefined)?.include_usage === true
  const head = { id: 'chatcmpl-1', created: 1, model: body.model }
  const chunk = (choices: unknown[], reported: unknown = null): string =>
    data({ ...head, object: 'chat.completion.chunk', choices, ...(asked ? { usage: reported } : {}) })
  const choice = (delta: Json, finish_reason: string | null = null) => [{ index: 0, delta, finish_reason }]
  return {
    start: chunk(choice({ role: 'assistant', content: '' })),
    word: (content) => chunk(choice({ content })),
    end: `${chunk(choice({}, 'stop'))}${asked ? chunk([], usage) : ''}data: [DONE]\n\n`,
    whole: {
      ...head,
      object: 'chat.completion',
      choices: [{ index: 0, message: { role: 'assistant', content: text }, finish_reason: 'stop' }],
      usage,
    },
  }
}

const responses: Shape = (body, text, used) => {
  const usage = {
    input_tokens: used.inputTokens,
    input_tokens_details: { cached_tokens: used.cachedInputTokens },
    output_tokens: used.outputTokens,
    output_tokens_details: { reasoning_tokens: used.reasoningTokens },
    total_tokens: used.inputTokens + used.outputTokens,
  }
  const item = {
    id: 'msg_1',
    type: 'message',
    role: 'assistant',
    status: 'completed',
    content: [{ type: 'output_text', text, annotations: [] }],
  }
  const response = (status: string, more: Json) => ({
    id: 'resp_1',
    object: 'response',
    created_at: 1,
    status,
    model: body.model,
    output: [],
    usage: null,
    ...more,
  })
  const created = response('in_progress', {})
  const completed = response('completed', { output: [item], usage })
  const at = { item_id: 'msg_1', output_index: 0, content_index: 0 }
  return {
    start:
      data({ type: 'response.created', response: created }, 'response.created') +
      data(
        { type: 'response.output_item.added', output_index: 0, item: { ...item, content: [] } },
        'response.output_item.added',
      ) +
      data(
        {
          type: 'response.content_part.added',
          ...at,
          part: { type: 'output_text', text: '', annotations: [] },
        },
        'response.content_part.added',
      ),
    word: (delta) => data({ type: 'response.output_text.delta', ...at, delta }, 'response.output_text.delta'),
    end: data({ type: 'response.completed', response: completed }, 'response.completed'),
    whole: completed,
  }
}

const messages: Shape = (body, text, used) => {
  const input = {
    input_tokens: used.inputTokens - used.cachedInputTokens,
    cache_read_input_tokens: used.cachedInputTokens,
    cache_creation_input_tokens: 0,
  }
  const head = { id: 'msg_1', type: 'message', role: 'assistant', model: body.model, stop_sequence: null }
  const event = (value: Json): string => data(value, String(value.type))
  return {
    start:
      event({
        type: 'message_start',
        message: { ...head, content: [], stop_reason: null, usage: { ...input, output_tokens: 1 } },
      }) +
      event({ type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } }) +
      event({ type: 'ping' }),
    word: (delta) =>
      event({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: delta } }),
    end:
      event({ type: 'content_block_stop', index: 0 }) +
      event({
        type: 'message_delta',
        delta: { stop_reason: 'end_turn', stop_sequence: null },
        usage: {
          output_tokens: used.outputTokens,
          output_tokens_details: { thinking_tokens: used.reasoningTokens },
        },
      }) +
      event({ type: 'message_stop' }),
    whole: {
      ...head,
      content: [{ type: 'text', text }],
      stop_reason: 'end_turn',
      usage: {
        ...input,
        output_tokens: used.outputTokens,
        output_tokens_details: { thinking_tokens: used.reasoningTokens },
      },
    },
  }
}

const shapes: Record<string, Shape> = {
  '/chat/completions': chat,
  '/responses': responses,
  '/messages': messages,
}
