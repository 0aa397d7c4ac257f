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

export const responsesCodec: DemoCodec = {
  read: (body) => ({
    messages: [
      message('system', typeof body.instructions === 'string' ? body.instructions : ''),
      ...(typeof body.input === 'string'
        ? [message('user', body.input)]
        : list(body.input).flatMap(readItem)),
    ],
    tools:
      body.tool_choice === 'none'
        ? []
        : list(body.tools)
            .filter((tool) => tool.type === 'function')
            .map((tool) => ({ name: String(tool.name ?? ''), parameters: object(tool.parameters) })),
  }),

  whole: (frame, content) => response(frame, endOf(content), [outputItem(frame, content)]),

  stream: (frame, content) => {
    let sequence = 0
    const event = (type: string, data: Record<string, unknown>): string =>
      serverSentEvent({ type, sequence_number: sequence++, ...data }, type)
    const item = outputItem(frame, content)
    const empty = {
      ...item,
      status: 'in_progress',
      ...('text' in content ? { content: [] } : { arguments: '' }),
    }
    const at = { item_id: item.id, output_index: 0 }
    const part = 'text' in content ? outputText(content.text) : null
    const begun = response(frame, 'in_progress', [])
    return {
      start:
        event('response.created', { response: begun }) +
        event('response.in_progress', { response: begun }) +
        event('response.output_item.added', { output_index: 0, item: empty }) +
        (part
          ? event('response.content_part.added', { ...at, content_index: 0, part: { ...part, text: '' } })
          : ''),
      word: (delta) => event('response.output_text.delta', { ...at, content_index: 0, delta, logprobs: [] }),
      get tool() {
        if (!('tool' in content)) return ''
        const text = JSON.stringify(content.tool.input)
        return (
          event('response.function_call_arguments.delta', { ...at, delta: text }) +
          event('response.function_call_arguments.done', { ...at, name: content.tool.name, arguments: text })
        )
      },
      get end() {
        const done = part
          ? event('response.output_text.done', { ...at, content_index: 0, text: part.text, logprobs: [] }) +
            event('response.content_part.done', { ...at, content_index: 0, part })
          : ''
        return (
          done +
          event('response.output_item.done', { output_index: 0, item }) +
          event(`response.${endOf(content)}`, { response: response(frame, endOf(content), [item]) })
        )
      },
    }
  },
}

function message(role: DemoMessage['role'], text: string): DemoMessage {
  return { role, text, toolCalls: [], toolCallId: null }
}

function readItem(item: Record<string, unknown>): DemoMessage[] {
  if (item.type === 'function_call') {
    const call = {
      id: String(item.call_id ?? ''),
      name: String(item.name ?? ''),
      input: inputOf(item.arguments),
    }
    return [{ role: 'assistant', text: '', toolCalls: [call], toolCallId: null }]
  }
  if (item.type === 'function_call_output')
    return [
      { role: 'tool', text: textOf(item.output), toolCalls: [], toolCallId: String(item.call_id ?? '') },
    ]
  if (item.role === 'system' || item.role === 'developer') return [message('system', textOf(item.content))]
  if (item.role === 'user' || item.role === 'assistant') return [message(item.role, textOf(item.content))]
  return []
}

function endOf(content: AnswerContent): 'completed' | 'incomplete' {
  return 'text' in content && content.cut ? 'incomplete' : 'completed'
}

function outputText(text: string) {
  return { type: 'output_text', text, annotations: [], logprobs: [] }
}

function outputItem(frame: AnswerFrame, content: AnswerContent) {
  if ('text' in content)
    return {
      id: `msg_${frame.id}`,
      type: 'message',
      role: 'assistant',
      status: 'completed',
      content: [outputText(content.text)],
    }
  const { tool } = content
  return {
    id: `fc_${tool.id}`,
    type: 'function_call',
    call_id: `call_${tool.id}`,
    name: tool.name,
    arguments: JSON.stringify(tool.input),
    status: 'completed',
  }
}

function response(frame: AnswerFrame, status: string, output: unknown[]) {
  const { inputTokens, outputTokens } = frame.usage
  return {
    id: `resp_${frame.id}`,
    object: 'response',
    created_at: Math.floor(frame.createdAt.getTime() / 1000),
    status,
    error: null,
    incomplete_details: status === 'incomplete' ? { reason: 'max_output_tokens' } : null,
    instructions: null,
    metadata: {},
    model: frame.model,
    output,
    parallel_tool_calls: false,
    temperature: null,
    tool_choice: 'auto',
    tools: [],
    top_p: null,
    usage:
      status !== 'in_progress'
        ? {
            input_tokens: inputTokens,
            input_tokens_details: { cached_tokens: 0 },
            output_tokens: outputTokens,
            output_tokens_details: { reasoning_tokens: 0 },
            total_tokens: inputTokens + outputTokens,
          }
        : null,
  }
}
