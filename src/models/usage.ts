import type { ModelProtocol, TokenUsage } from '../domain/usage/meter.ts'

/** What a provider's answer says about itself, whole or event by event. */
export interface AnswerReading {
  usage: TokenUsage | null
  /** The usage is the provider's last word on the whole answer, and not what it said at the beginning. */
  final: boolean
  /** True once the answer has ended as its protocol says it must. */
  complete: boolean
  /** Set when the answer itself reports a failure. */
  errorCode: string | null
}

type Json = Record<string, unknown>

/** Reads the usage from a whole answer. */
export function readAnswer(protocol: ModelProtocol, text: string): AnswerReading {
  const body = parse(text)
  const usage = object(body?.usage)
  return {
    usage: usage ? usageOf(protocol, usage) : null,
    final: usage !== undefined,
    complete: body !== undefined,
    errorCode: body?.status === 'failed' ? codeOf(object(body.error)) : null,
  }
}

export interface EventReader {
  readonly reading: AnswerReading
  /** Takes one event; `usageOnly` when it carries nothing but the usage that a client has to ask for. */
  read(event: string): { usageOnly: boolean }
}

const mayMatter: Record<ModelProtocol, RegExp> = {
  chat_completions: /\[DONE\]|"usage"\s*:\s*\{|"error"\s*:/,
  responses: /"response\.(completed|incomplete|failed)"|^event: error|"type"\s*:\s*"error"/m,
  messages: /"message_start"|"message_delta"|"message_stop"|"type"\s*:\s*"error"/,
}

/** Reads a stream. Only the few events that can carry usage, an end or an error are parsed. */
export function createEventReader(protocol: ModelProtocol): EventReader {
  const reading: AnswerReading = { usage: null, final: false, complete: false, errorCode: null }
  const reported: Json = {}
  const handle = {
    chat_completions: readChatEvent,
    responses: readResponsesEvent,
    messages: readMessagesEvent,
  }
  return {
    reading,
    read: (event) => {
      if (!mayMatter[protocol].test(event)) return { usageOnly: false }
      const data = dataOf(event)
      if (data === '[DONE]') {
        reading.complete = true
        return { usageOnly: false }
      }
      const body = parse(data)
      return { usageOnly: body ? handle[protocol](reading, body, reported) : false }
    },
  }
}

function readChatEvent(reading: AnswerReading, body: Json): boolean {
  if (body.error) reading.errorCode = codeOf(object(body.error))
  const usage = object(body.usage)
  if (!usage) return false
  reading.usage = usageOf('chat_completions', usage)
  reading.final = true
  return Array.isArray(body.choices) && body.choices.length === 0
}

function readResponsesEvent(reading: AnswerReading, body: Json): boolean {
  if (body.type === 'error') {
    reading.errorCode = codeOf(body)
    return false
  }
  const response = object(body.response)
  if (!response) return false
  const usage = object(response.usage)
  if (usage) {
    reading.usage = usageOf('responses', usage)
    reading.final = true
  }
  reading.complete = true
  if (body.type === 'response.failed') reading.errorCode = codeOf(object(response.error))
  return false
}

/** Anthropic counts up: what a later event does not mention stays as an earlier one said it. */
function readMessagesEvent(reading: AnswerReading, body: Json, reported: Json): boolean {
  if (body.type === 'error') reading.errorCode = codeOf(object(body.error))
  if (body.type === 'message_stop') reading.complete = true
  const usage = object(body.type === 'message_start' ? object(body.message)?.usage : body.usage)
  if (usage) {
    for (const [key, value] of Object.entries(usage)) if (value !== null) reported[key] = value
    reading.usage = usageOf('messages', reported)
    if (body.type === 'message_delta') reading.final = true
  }
  return false
}

function usageOf(protocol: ModelProtocol, usage: Json): TokenUsage {
  if (protocol === 'messages') return messagesUsage(usage)
  const [input, output] = protocol === 'responses' ? ['input', 'output'] : ['prompt', 'completion']
  const inputDetails = object(usage[`${input}_tokens_details`])
  const outputDetails = object(usage[`${output}_tokens_details`])
  return {
    inputTokens: count(usage[`${input}_tokens`]),
    cachedInputTokens: count(inputDetails?.cached_tokens),
    cacheWriteInputTokens: count(inputDetails?.cache_write_tokens),
    outputTokens: count(usage[`${output}_tokens`]),
    reasoningTokens: count(outputDetails?.reasoning_tokens),
  }
}

/**
 * Anthropic reports the input without what was read from its cache or written to it; here the input is all of it. Where an
 * answer took several goes, as when the conversation is shortened on the way, it charges for each, and only their list has all.
 */
function messagesUsage(usage: Json): TokenUsage {
  const goes = Array.isArray(usage.iterations) ? usage.iterations.map(object) : []
  const total = (name: string): number | null => {
    const told = count(usage[name])
    const listed = goes.reduce((sum, go) => sum + (count(go?.[name]) ?? 0), 0)
    return told === null && listed === 0 ? null : Math.max(told ?? 0, listed)
  }
  const input = total('input_tokens')
  const cached = total('cache_read_input_tokens')
  const written = total('cache_creation_input_tokens')
  return {
    inputTokens: input === null ? null : input + (cached ?? 0) + (written ?? 0),
    cachedInputTokens: cached,
    cacheWriteInputTokens: written,
    outputTokens: total('output_tokens'),
    reasoningTokens: count(object(usage.output_tokens_details)?.thinking_tokens),
  }
}

function dataOf(event: string): string {
  return event
    .split(/\r?\n/)
    .filter((line) => line.startsWith('data:'))
    .map((line) => line.slice(5).trimStart())
    .join('\n')
}

/** A short code for the table, never a provider's text. */
export function codeOf(error: Json | undefined): string {
  const code = error?.code ?? error?.type
  return typeof code === 'string' && /^[a-z0-9_.-]{1,64}$/i.test(code) ? code : 'provider_error'
}

function parse(text: string): Json | undefined {
  try {
    return object(JSON.parse(text))
  } catch {
    return undefined
  }
}

function object(value: unknown): Json | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : undefined
}

function count(value: unknown): number | null {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : null
}
