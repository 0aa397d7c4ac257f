import {
  type AnswerContent,
  type AnswerFrame,
  type DemoCodec,
  inputOf,
  list,
  object,
  serverSentEvent,
  textOf,
} from './codec.ts'
import type { DemoMessage } from './conversation.ts'

export const messagesCodec: DemoCodec = {
  read: (body) => ({
    messages: [
      { role: 'system', text: textOf(body.system), toolCalls: [], toolCallId: null },
      ...list(body.messages).flatMap(readMessage),
    ],
    tools:
      object(body.tool_choice).type === 'none'
        ? []
        : list(body.tools).map((tool) => ({
            name: String(tool.name ?? ''),
            parameters: object(tool.input_schema),
          })),
  }),

  whole: (frame, content) => ({
    ...head(frame),
    content: [
      'text' in content
        ? { type: 'text', text: content.text, citations: null }
        : {
            type: 'tool_use',
            id: `toolu_${content.tool.id}`,
            name: content.tool.name,
            input: content.tool.input,
          },
    ],
    stop_reason: stopReason(content),
    usage: usage(frame, frame.usage.outputTokens),
  }),

  stream: (frame, content) => {
    const event = (data: { type: string; [key: string]: unknown }): string => serverSentEvent(data, data.type)
    const block =
      'text' in content
        ? { type: 'text', text: '' }
        : { type: 'tool_use', id: `toolu_${content.tool.id}`, name: content.tool.name, input: {} }
    const delta = (data: Record<string, unknown>): string =>
      event({ type: 'content_block_delta', index: 0, delta: data })
    return {
      start:
        event({ type: 'message_start', message: { ...head(frame), content: [], usage: usage(frame, 1) } }) +
        event({ type: 'content_block_start', index: 0, content_block: block }),
      word: (text) => delta({ type: 'text_delta', text }),
      tool:
        'tool' in content
          ? delta({ type: 'input_json_delta', partial_json: JSON.stringify(content.tool.input) })
          : '',
      end:
        event({ type: 'content_block_stop', index: 0 }) +
        event({
          type: 'message_delta',
          delta: { stop_reason: stopReason(content), stop_sequence: null },
          usage: { output_tokens: frame.usage.outputTokens },
        }) +
        event({ type: 'message_stop' }),
    }
  },
}

/** A message may hold results of tools beside text; here each is a message of its own. */
function readMessage(message: Record<string, unknown>): DemoMessage[] {
  const role = message.role === 'assistant' ? 'assistant' : message.role === 'system' ? 'system' : 'user'
  if (typeof message.content === 'string')
    return [{ role, text: message.content, toolCalls: [], toolCallId: null }]
  const parts = list(message.content)
  const results = parts
    .filter((part) => part.type === 'tool_result')
    .map((part): DemoMessage => {
      return {
        role: 'tool',
        text: textOf(part.content),
        toolCalls: [],
        toolCallId: String(part.tool_use_id ?? ''),
      }
    })
  const toolCalls = parts
    .filter((part) => part.type === 'tool_use')
    .map((part) => ({ id: String(part.id ?? ''), name: String(part.name ?? ''), input: inputOf(part.input) }))
  const text = textOf(parts.filter((part) => part.type === 'text'))
  return text === '' && toolCalls.length === 0
    ? results
    : [...results, { role, text, toolCalls, toolCallId: null }]
}

function head(frame: AnswerFrame) {
  return {
    id: `msg_${frame.id}`,
    type: 'message',
    role: 'assistant',
    model: frame.model,
    stop_reason: null as string | null,
    stop_sequence: null,
  }
}

function stopReason(content: AnswerContent): string {
  if (!('text' in content)) return 'tool_use'
  return content.cut ? 'max_tokens' : 'end_turn'
}

function usage({ usage }: AnswerFrame, outputTokens: number) {
  return {
    input_tokens: usage.inputTokens,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: 0,
    output_tokens: outputTokens,
  }
}
