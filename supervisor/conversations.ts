import { z } from 'zod'

/**
 * Conversations of an instance, under /api/sessions/:sessionId/conversations on the proxy. The supervisor answers them
 * from OpenClaw's own sessions; nothing is stored outside the instance.
 *
 *   GET    /conversations                 -> { conversations: Conversation[] }
 *   POST   /conversations                 -> Conversation
 *   DELETE /conversations/:id             -> {}
 *   GET    /conversations/:id/messages    -> { messages: Message[] }
 *   POST   /conversations/:id/messages    { text } -> text/event-stream of TurnEvents, one JSON object per `data:` line
 *   POST   /conversations/:id/stop        -> { stopped: boolean }
 */
export const conversationSchema = z.object({
  id: z.string().describe('URL-safe.'),
  title: z.string(),
  updatedAt: z.string().nullable(),
})

export const toolCallSchema = z.object({
  id: z.string(),
  name: z.string(),
  input: z.string().describe('As JSON text, or whatever the tool was given.'),
  output: z.string().nullable().describe('Null while it runs.'),
  failed: z.boolean(),
})

export const messageSchema = z.object({
  id: z.string(),
  role: z.enum(['user', 'assistant']),
  text: z.string(),
  tools: z.array(toolCallSchema),
  at: z.string().nullable(),
})

export const sendMessageBodySchema = z.strictObject({ text: z.string().min(1).max(100_000) })

export const turnEventSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('started') }),
  z.object({ type: z.literal('text'), delta: z.string() }),
  z.object({ type: z.literal('tool'), tool: toolCallSchema }),
  z.object({ type: z.literal('done'), stopped: z.boolean() }),
  z.object({ type: z.literal('error'), code: z.string(), message: z.string() }),
])

export type Conversation = z.infer<typeof conversationSchema>
export type ConversationMessage = z.infer<typeof messageSchema>
export type ToolCall = z.infer<typeof toolCallSchema>
export type TurnEvent = z.infer<typeof turnEventSchema>
