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

const roles: Record<string, DemoMessage['role']> = {
  system: 'system',
  developer: 'system',
  user: 'user',
  assistant: 'assistant',
  tool: 'tool',
  function: 'tool',
}

export const chatCompletionsCodec: DemoCodec = {
  read: (body) => ({
    messages: list(body.messages).map((message) => ({
      role: roles[String(message.role)] ?? 'user',
      text: textOf(message.content),
      toolCalls: list(message.tool_calls).map((call) => {
        const { name, arguments: input } = object(call.function)
        return { id: String(call.id ?? ''), name: String(name ?? ''), input: inputOf(input) }
      }),
      toolCallId: typeof message.tool_call_id === 'string' ? message.tool_call_id : null,
    })),
    tools:
      body.tool_choice === 'none'
        ? []
        : list(body.tools).map((tool) => {
            const definition = object(tool.function)
            return { name: String(definition.name ?? ''), parameters: object(definition.parameters) }
          }),
  }),

  whole: (frame, content) => ({
    ...head(frame, 'chat.completion'),
    choices: [
      {
        index: 0,
        message:
          'text' in content
            ? { role: 'assistant', content: content.text, refusal: null }
            : { role: 'assistant', content: null, refusal: null, tool_calls: [toolCall(content.tool)] },
        logprobs: null,
        finish_reason: finishReason(content),
      },
    ],
    usage: usage(frame),
  }),

  stream: (frame, content) => {
    const chunk = (delta: Record<string, unknown>, finish: string | null = null): string =>
      serverSentEvent({
        ...head(frame, 'chat.completion.chunk'),
        choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }],
      })
    return {
      start: chunk({ role: 'assistant', content: 'text' in content ? '' : null }),
      word: (text) => chunk({ content: text }),
      tool: 'tool' in content ? chunk({ tool_calls: [{ index: 0, ...toolCall(content.tool) }] }) : '',
      end:
        chunk({}, finishReason(content)) +
        serverSentEvent({ ...head(frame, 'chat.completion.chunk'), choices: [], usage: usage(frame) }) +
        'data: [DONE]\n\n',
    }
  },
}

function head(frame: AnswerFrame, object: string) {
  const created = Math.floor(frame.createdAt.getTime() / 1000)
  return { id: `chatcmpl-${frame.id}`, object, created, model: frame.model }
}

function finishReason(content: AnswerContent): string {
  if (!('text' in content)) return 'tool_calls'
  return content.cut ? 'length' : 'stop'
}

function toolCall(tool: { id: string; name: string; input: Record<string, unknown> }) {
  return {
    id: `call_${tool.id}`,
    type: 'function',
    function: { name: tool.name, arguments: JSON.stringify(tool.input) },
  }
}

function usage({ usage }: AnswerFrame) {
  return {
    prompt_tokens: usage.inputTokens,
    completion_tokens: usage.outputTokens,
    total_tokens: usage.inputTokens + usage.outputTokens,
    prompt_tokens_details: { cached_tokens: 0 },
    completion_tokens_details: { reasoning_tokens: 0 },
  }
}
