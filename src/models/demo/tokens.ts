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

/** The parts of a body that a model reads, in any of the protocols. */
const readParts = ['messages', 'input', 'instructions', 'system', 'tools']

export function demoUsage(body: Record<string, unknown>, reply: DemoReply): DemoUsage {
  const read = readParts.map((part) => (body[part] === undefined ? '' : JSON.stringify(body[part]))).join('')
  const written =
    reply.kind === 'text' ? reply.text : reply.kind === 'tool' ? reply.name + JSON.stringify(reply.input) : ''
  return { inputTokens: estimateTokens(read), outputTokens: estimateTokens(written) }
}
