import type { DemoRequest } from './conversation.ts'
import type { DemoUsage } from './tokens.ts'

/** Everything about an answer but its words. */
export interface AnswerFrame {
  /** Without a protocol's prefix. */
  id: string
  model: string
  createdAt: Date
  usage: DemoUsage
}

export interface ToolAnswer {
  id: string
  name: string
  input: Record<string, unknown>
}

/** An answer has either a text, which may have been cut at the length that was asked for, or a tool call. */
export type AnswerContent = { text: string; cut: boolean } | { tool: ToolAnswer }

/**
 * One protocol's way to ask and to answer. A streamed answer is `start`, then `word` for each piece of the text or
 * `tool` once, then `end`; each returns server-sent events as text.
 */
export interface DemoCodec {
  read(body: Record<string, unknown>): DemoRequest
  whole(frame: AnswerFrame, content: AnswerContent): Record<string, unknown>
  stream(
    frame: AnswerFrame,
    content: AnswerContent,
  ): {
    start: string
    word(text: string): string
    tool: string
    end: string
  }
}

type Json = Record<string, unknown>

export function object(value: unknown): Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : {}
}

export function list(value: unknown): Json[] {
  return Array.isArray(value) ? value.map(object) : []
}

/** The text of a content that is either a string or a list of parts. */
export function textOf(content: unknown): string {
  if (typeof content === 'string') return content
  return list(content)
    .map((part) => (typeof part.text === 'string' ? part.text : ''))
    .filter((text) => text !== '')
    .join('\n')
}

/** A tool's input, which protocols carry as JSON text or as it is. */
export function inputOf(value: unknown): Json {
  if (typeof value !== 'string') return object(value)
  try {
    return object(JSON.parse(value))
  } catch {
    return {}
  }
}

export function serverSentEvent(data: Json, name?: string): string {
  return `${name ? `event: ${name}\n` : ''}data: ${JSON.stringify(data)}\n\n`
}
