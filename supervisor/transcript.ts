import { z } from 'zod'
import type { ConversationMessage, ToolCall } from './conversations.ts'

/** The parts of OpenClaw's `chat.history` that conversations need; whatever else it holds is ignored. */
const contentSchema = z.union([
  z.string(),
  z.array(
    z.looseObject({
      type: z.string(),
      text: z.string().optional(),
      id: z.string().optional(),
      name: z.string().optional(),
      arguments: z.unknown().optional(),
    }),
  ),
])

const entrySchema = z.looseObject({
  role: z.string(),
  content: contentSchema.optional(),
  timestamp: z.number().optional(),
  toolCallId: z.string().optional(),
  isError: z.boolean().optional(),
  __openclaw: z.looseObject({ id: z.string().optional() }).optional(),
})

export const historySchema = z.looseObject({
  messages: z.array(z.unknown()).default([]),
  inFlightRun: z.looseObject({ runId: z.string(), text: z.string().default('') }).nullish(),
  sessionInfo: z.looseObject({ hasActiveRun: z.boolean().nullish() }).nullish(),
})
export type History = z.infer<typeof historySchema>

/** What a tool was asked or answered, cut so that a page of history stays a page. */
const toolTextCharactersMax = 20_000

/**
 * OpenClaw keeps one entry per model call and per tool result; a reader sees one answer per question. So everything
 * between two user messages becomes one assistant message with its tool calls, and a turn that is still running ends
 * the list with the text that there is so far.
 */
export function toMessages(history: History): ConversationMessage[] {
  const messages: ConversationMessage[] = []
  const toolCalls = new Map<string, ToolCall>()
  const answer = (id: string, at: string | null): ConversationMessage => {
    const last = messages.at(-1)
    if (last?.role === 'assistant') return last
    const created: ConversationMessage = { id, role: 'assistant', text: '', tools: [], at }
    messages.push(created)
    return created
  }

  for (const [index, raw] of history.messages.entries()) {
    const parsed = entrySchema.safeParse(raw)
    if (!parsed.success) continue
    const entry = parsed.data
    const id = entry.__openclaw?.id ?? String(index)
    const at = entry.timestamp === undefined ? null : new Date(entry.timestamp).toISOString()
    const text = textOf(entry.content)
    if (entry.role === 'user') messages.push({ id, role: 'user', text, tools: [], at })
    if (entry.role === 'assistant') {
      const message = answer(id, at)
      message.text = join(message.text, text)
      for (const call of toolCallsOf(entry.content)) {
        toolCalls.set(call.id, call)
        message.tools.push(call)
      }
    }
    if (entry.role === 'toolResult') {
      const call = toolCalls.get(entry.toolCallId ?? '')
      if (call) Object.assign(call, { output: cut(text), failed: entry.isError === true })
    }
  }

  const running = history.inFlightRun
  if (!running && !history.sessionInfo?.hasActiveRun)
    for (const call of toolCalls.values())
      if (call.output === null) Object.assign(call, { output: 'Stopped before it answered.', failed: true })
  if (running) {
    const message = answer(running.runId, null)
    if (!message.text.endsWith(running.text)) message.text = join(message.text, running.text)
  }
  return messages
}

function textOf(content: z.infer<typeof contentSchema> | undefined): string {
  if (content === undefined) return ''
  if (typeof content === 'string') return content
  return content.flatMap((part) => (part.type === 'text' ? [part.text ?? ''] : [])).join('')
}

function toolCallsOf(content: z.infer<typeof contentSchema> | undefined): ToolCall[] {
  if (content === undefined || typeof content === 'string') return []
  return content.flatMap((part) =>
    part.type === 'toolCall' && part.id !== undefined
      ? [
          {
            id: part.id,
            name: part.name ?? 'tool',
            input: asText(part.arguments),
            output: null,
            failed: false,
          },
        ]
      : [],
  )
}

function join(before: string, after: string): string {
  const [first, second] = [before.trimEnd(), after.trim()]
  if (first === '' || second === '') return first + second
  return `${first}\n\n${second}`
}

/** As JSON text, unless it is text already. */
export function asText(value: unknown): string {
  if (value === undefined) return ''
  return cut(typeof value === 'string' ? value : JSON.stringify(value))
}

function cut(text: string): string {
  return text.length > toolTextCharactersMax ? `${text.slice(0, toolTextCharactersMax)}…` : text
}

const resultSchema = z.looseObject({ content: contentSchema })

/** A tool's result as it comes in a live event: content parts, or whatever the tool gave. */
export function resultText(result: unknown): string {
  const parsed = resultSchema.safeParse(result)
  return parsed.success ? cut(textOf(parsed.data.content)) : asText(result)
}
