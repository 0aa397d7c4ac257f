import type { DemoReply } from './reply.ts'

/**
 * The demo model has no tokenizer. It reports one token for every four characters, rounded up: for the input over the
 * request's messages and tools as they were sent, for the output over the text or the name and input of a tool call.
 */
function estimateTokens(text: string): number {
  return Math.ceil(text.length / 4)
}

export interface DemoUsage {
  inputTokens: number
  outputTokens: number
}

/** The fields in which the protocols name the most an answer may have. */
const limits = ['max_completion_tokens', 'max_output_tokens', 'max_tokens']

/** The reply at no more than the length that was asked for. Half a tool call is of no use, so it becomes a word on that. */
export function withinLimit(body: Record<string, unknown>, reply: DemoReply): DemoReply {
  const limit = limits.map((name) => body[name]).find((value) => typeof value === 'number')
  if (limit === undefined || reply.kind === 'error' || writtenTokens(reply) <= limit) return reply
  const text =
    reply.kind === 'text' ? reply.text : 'What I was about to do takes more words than I am allowed.'
  return { ...(reply.kind === 'text' ? reply : { kind: 'text' }), text: text.slice(0, limit * 4), cut: true }
}

function writtenTokens(reply: DemoReply): number {
  if (reply.kind === 'error') return 0
  return estimateTokens(reply.kind === 'text' ? reply.text : reply.name + JSON.stringify(reply.input))
}

/** The parts of a body that a model reads, in any of the protocols. */
const readParts = ['messages', 'input', 'instructions', 'system', 'tools']

export function demoUsage(body: Record<string, unknown>, reply: DemoReply): DemoUsage {
  const read = readParts.map((part) => (body[part] === undefined ? '' : JSON.stringify(body[part]))).join('')
  return { inputTokens: estimateTokens(read), outputTokens: writtenTokens(reply) }
}
