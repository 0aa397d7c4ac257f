import type { ModelProtocol } from '../domain/usage/meter.ts'
import { sumOf } from '../sum.ts'
import { imageTokensMax, inspectContents, tokensMaxOf } from './bounds.ts'

type Json = Record<string, unknown>

/** A piece of a request that a model reads, in the order in which requests grow: settings, tools, instructions, messages. */
export interface PromptPart {
  /** Equal for parts that a model reads alike. */
  text: string
  /** As it is sent on. */
  bytes: number
  /** No tokenizer makes more of it. */
  tokensMax: number
  /** Of that, what another prompt with an equal part says nothing about: a picture by its address can be another one today. */
  unsettledMax: number
  /** Of that, thoughts, which providers leave out in some places of a conversation and read in others. */
  thoughtsMax: number
  /** A person's words: what was thought before stays as it is from here on, read or not. */
  beginsTurn: boolean
}

export interface PromptParts {
  parts: PromptPart[]
  /** So many parts come before the conversation: other conversations have them too. */
  headCount: number
}

/**
 * Undefined where what a provider reports of one prompt says nothing about the next: it leaves out what it likes, or reads
 * what is not in the body. That last is for the caller to know (`RequestBounds`).
 */
export function partsOfPrompt(body: Json, protocol: ModelProtocol): PromptParts | undefined {
  if (body.context_management != null || body.truncation === 'auto') return undefined
  const { messages, input, system, instructions, tools, ...rest } = body
  const [conversation, other] = protocol === 'responses' ? [input, messages] : [messages, input]
  const head = [
    settingsPart(rest),
    plainPart(tools),
    // Another protocol's, should this server read it too.
    plainPart(other),
    ...(Array.isArray(system) ? system : [system]).flatMap(instructionParts),
    ...instructionParts(instructions),
  ]
  const items = Array.isArray(conversation) ? conversation : [conversation ?? '']
  // Instructions that are sent as messages.
  const first = items.findIndex((item) => !isInstruction(item))
  const begins = first < 0 ? items.length : first
  for (const item of items.slice(0, begins)) head.push(...instructionParts(item))
  return { parts: [...head, ...items.slice(begins).map(messagePart)], headCount: head.length }
}

/** What a request may say that changes nothing about what is read. */
const unread = new Set([
  'frequency_penalty',
  'inference_geo',
  'logit_bias',
  'logprobs',
  'max_completion_tokens',
  'max_output_tokens',
  'max_tokens',
  'metadata',
  // The caller names the model, by whatever name the request called it.
  'model',
  'presence_penalty',
  'prompt_cache_key',
  'prompt_cache_retention',
  'safety_identifier',
  'seed',
  'service_tier',
  'speed',
  'stop',
  'stop_sequences',
  'store',
  'stream',
  'stream_options',
  'temperature',
  'top_k',
  'top_logprobs',
  'top_p',
  'user',
])

function settingsPart(rest: Json): PromptPart {
  return plainPart(Object.fromEntries(Object.entries(rest).filter(([name]) => !unread.has(name))))
}

/** Instructions are long, and often only their end changes: the date, the state of things. */
const pieceLengthMin = 4096

/** A text, or a message or a block with one. */
function instructionParts(value: unknown): PromptPart[] {
  if (typeof value === 'string') return piecesOf(value).map(plainPart)
  if (!isObject(value)) return [plainPart(value)]
  const { content, text, ...rest } = value
  if (typeof content === 'string') return [plainPart(rest), ...piecesOf(content).map(plainPart)]
  if (typeof text === 'string' && content === undefined)
    return [plainPart(rest), ...piecesOf(text).map(plainPart)]
  return [messagePart(value)]
}

/** Cut at ends of lines, where hardly any tokenizer makes one token of both sides. */
function piecesOf(text: string): string[] {
  const pieces: string[] = []
  let from = 0
  while (from < text.length) {
    const line = text.indexOf('\n', from + pieceLengthMin)
    const to = line < 0 ? text.length : line + 1
    pieces.push(text.slice(from, to))
    from = to
  }
  return pieces
}

function isInstruction(item: unknown): boolean {
  return isObject(item) && (item.role === 'system' || item.role === 'developer')
}

function plainPart(value: unknown): PromptPart {
  const whole = value === undefined ? '' : JSON.stringify(value)
  const text = withoutCacheMarks(whole)
  const bytes = Buffer.byteLength(whole)
  const marks = text.length === whole.length ? 0 : bytes - Buffer.byteLength(text)
  return { text, bytes, tokensMax: bytes, unsettledMax: marks, thoughtsMax: 0, beginsTurn: false }
}

/** A message with one text reads the same whether that is in a block, where it can bear a mark, or not. */
function withPlainText(message: unknown): unknown {
  if (!isObject(message) || !Array.isArray(message.content) || message.content.length !== 1) return message
  const { type, text, cache_control: _mark, ...rest } = (message.content[0] ?? {}) as Json
  const isText = type === 'text' && typeof text === 'string' && Object.keys(rest).length === 0
  return isText ? { ...message, content: text } : message
}

function messagePart(message: unknown): PromptPart {
  const plain = plainPart(message)
  const found = inspectContents(message)
  const alike = withPlainText(message)
  const { text, bytes, unsettledMax } = alike === message ? plain : plainPart(alike)
  return {
    ...plain,
    text,
    tokensMax: tokensMaxOf(plain.bytes, found),
    // What the block has beside its text counts, the mark too.
    unsettledMax: unsettledMax + plain.bytes - bytes + found.imagesByAddress * imageTokensMax,
    thoughtsMax: sumOf(thoughtsOf(message), (text) => Buffer.byteLength(text)),
    beginsTurn: isObject(message) && message.role === 'user' && !isToolResult(message.content),
  }
}

/** Anthropic takes them as messages of the user. */
function isToolResult(content: unknown): boolean {
  return Array.isArray(content) && content.some((block) => isObject(block) && block.type === 'tool_result')
}

/**
 * Anthropic's marks for its cache move from message to message and cost no tokens. Whatever else may look like one counts
 * in full with each request.
 */
function withoutCacheMarks(text: string): string {
  return text.includes('"cache_control"') ? text.replace(/,?"cache_control":\{[^{}]*\}/g, '') : text
}

const thoughtFields = ['reasoning', 'reasoning_content', 'reasoning_details', 'reasoning_text'] as const
const thoughtTypes = new Set(['thinking', 'redacted_thinking', 'reasoning'])

function thoughtsOf(message: unknown): string[] {
  if (!isObject(message)) return []
  if (thoughtTypes.has(String(message.type))) return [JSON.stringify(message)]
  const { content } = message
  const blocks = Array.isArray(content) ? content : []
  return [
    ...thoughtFields.map((name) => message[name]).filter((value) => value != null),
    ...blocks.filter((block) => isObject(block) && thoughtTypes.has(String(block.type))),
  ].map((thought) => JSON.stringify(thought))
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
