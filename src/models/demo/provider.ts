import { createHash } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { Clock } from '../../clock.ts'
import type { ModelProtocol } from '../../domain/usage/meter.ts'
import type { Provider, ProviderAnswer, ProviderCall } from '../provider.ts'
import { errorBodyOfStatus } from '../surface.ts'
import { chatCompletionsCodec } from './chat-completions.ts'
import type { AnswerContent, DemoCodec } from './codec.ts'
import { messagesCodec } from './messages.ts'
import { type DemoReply, demoReply } from './reply.ts'
import { responsesCodec } from './responses.ts'
import { demoUsage, withinLimit } from './tokens.ts'

export interface DemoProviderOptions {
  clock: Clock
  wordMilliseconds: number
  /** A model that can be chosen instead, or null where no provider has a key. */
  alternative: string | null
}

const codecs: Record<ModelProtocol, DemoCodec> = {
  chat_completions: chatCompletionsCodec,
  responses: responsesCodec,
  messages: messagesCodec,
}

/** Answers from a script, in every protocol, so that Reef can be tried from end to end without any key. */
export function createDemoProvider(options: DemoProviderOptions): Provider {
  return {
    name: 'demo',
    serves: () => true,
    call: async (call) => {
      call.onSent()
      return answer(options, call)
    },
    scrub: (text) => text,
    leaks: () => false,
  }
}

function answer(options: DemoProviderOptions, call: ProviderCall): ProviderAnswer {
  const codec = codecs[call.protocol]
  const request = codec.read(call.body)
  const now = options.clock.now()
  const reply = withinLimit(call.body, demoReply(request, { now, alternative: options.alternative }))
  if (reply.kind === 'error') return refuse(call.protocol, reply.status)
  // The same request has the same id, so that a recorded conversation can be played again.
  const id = createHash('sha256').update(JSON.stringify(call.body)).digest('hex').slice(0, 24)
  const frame = { id, model: String(call.body.model), createdAt: now, usage: demoUsage(call.body, reply) }
  const content = contentOf(reply, id)
  if (call.body.stream !== true) return whole(200, codec.whole(frame, content))
  const pause = reply.kind === 'text' ? (reply.wordMilliseconds ?? options.wordMilliseconds) : 0
  return {
    status: 200,
    contentType: 'text/event-stream; charset=utf-8',
    retryAfter: null,
    body: events(codec.stream(frame, content), content, pause, call.signal),
  }
}

function contentOf(reply: Exclude<DemoReply, { kind: 'error' }>, id: string): AnswerContent {
  return reply.kind === 'text'
    ? { text: reply.text, cut: reply.cut === true }
    : { tool: { id, name: reply.name, input: reply.input } }
}

async function* events(
  stream: ReturnType<DemoCodec['stream']>,
  content: AnswerContent,
  pauseMilliseconds: number,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  yield Buffer.from(stream.start)
  if ('text' in content)
    for (const [index, word] of (content.text.match(/\s*\S+\s*$|\s*\S+/g) ?? []).entries()) {
      // The first word comes at once.
      if (index > 0 && pauseMilliseconds > 0) await delay(pauseMilliseconds, undefined, { signal })
      signal.throwIfAborted()
      yield Buffer.from(stream.word(word))
    }
  else yield Buffer.from(stream.tool)
  yield Buffer.from(stream.end)
}

function refuse(protocol: ModelProtocol, status: number): ProviderAnswer {
  const surface = protocol === 'messages' ? 'anthropic' : 'openai'
  const message = `The demo model was asked to answer with the error ${status}.`
  return {
    ...whole(status, errorBodyOfStatus(surface, status, `demo_${status}`, message)),
    retryAfter: status === 429 ? '1' : null,
  }
}

function whole(status: number, body: Record<string, unknown>): ProviderAnswer {
  return {
    status,
    contentType: 'application/json',
    retryAfter: null,
    body: (async function* () {
      yield Buffer.from(JSON.stringify(body))
    })(),
  }
}
