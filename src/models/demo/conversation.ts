/** A tool as the request defines it, whatever the protocol. */
export interface DemoTool {
  name: string
  /** JSON schema of its input. */
  parameters: Record<string, unknown>
}

export interface DemoToolCall {
  id: string
  name: string
  input: Record<string, unknown>
}

export interface DemoMessage {
  role: 'system' | 'user' | 'assistant' | 'tool'
  text: string
  /** Of the assistant. */
  toolCalls: DemoToolCall[]
  /** Of a tool's result: the call that it answers. */
  toolCallId: string | null
}

/** What every protocol's request is read into. */
export interface DemoRequest {
  messages: DemoMessage[]
  tools: DemoTool[]
}

/** A conversation as a person would remember it: without what OpenClaw wraps around it. */
export interface Conversation {
  system: string
  /** What the person said last; empty when a machine asked and not a person. */
  said: string
  /** What the person said before that, oldest first. */
  saidBefore: string[]
  /** Whether the assistant has said anything yet. */
  begun: boolean
  /** Tools that have run since the person spoke, oldest first. */
  results: { call: DemoToolCall; output: string }[]
  /** Files that were written or read in this conversation, oldest first. */
  files: string[]
  tools: DemoTool[]
}

export function readConversation(request: DemoRequest): Conversation {
  const messages = request.messages
    .map((message) => (message.role === 'user' ? { ...message, text: personsWords(message.text) } : message))
    // Context that OpenClaw sends as a message of its own has nothing left.
    .filter((message) => message.role !== 'user' || message.text !== '')
  const users = messages.filter((message) => message.role === 'user')
  const lastUser = messages.findLastIndex((message) => message.role === 'user')
  const calls = messages.flatMap((message) => message.toolCalls)
  const results = messages
    .slice(lastUser + 1)
    .filter((message) => message.role === 'tool')
    .map((message) => ({
      call: calls.findLast((call) => call.id === message.toolCallId) ?? { id: '', name: 'tool', input: {} },
      output: message.text,
    }))
  return {
    system: messages
      .filter((message) => message.role === 'system')
      .map((message) => message.text)
      .join('\n'),
    said: users.at(-1)?.text ?? '',
    saidBefore: users.slice(0, -1).map((message) => message.text),
    begun: messages.some((message) => message.role === 'assistant' && message.text.trim() !== ''),
    results,
    files: calls.map((call) => call.input.path).filter((path) => typeof path === 'string'),
    tools: request.tools,
  }
}

/** Ends the header of every block that OpenClaw puts before or after a person's words. */
const contextMarker = '\u27E6openclaw:ctx\u27E7'

/** Sent by OpenClaw when an attempt showed nothing: the question is still the one before. */
const retries =
  /^The previous (attempt|assistant turn) (did not produce|compacted|completed its tool|recorded)/

/** Around the question when OpenClaw asks it again after a failure. */
const askedAgain =
  /^\[Queued user message from a previous active turn[^\]]*\]\n|\n\nContinue the current task from the existing transcript[^\n]*$/g

/**
 * A person's own words out of a user message of OpenClaw, which adds a time stamp in front, a line about its runtime
 * behind, blocks about the channel and the sender, and whole messages of internal context.
 */
function personsWords(text: string): string {
  let words = text.replace(
    /<<<BEGIN_OPENCLAW_INTERNAL_CONTEXT>>>[\s\S]*?(<<<END_OPENCLAW_INTERNAL_CONTEXT>>>|$)/g,
    '',
  )
  words = withoutTimestamp(words.trim())
  words = words.replace(/^Context:[ \t]*\n<active_memory_plugin>[\s\S]*?<\/active_memory_plugin>\s*/gm, '')
  words = withoutContextBlocks(words)
  words = words.replace(/^System(?: \(untrusted\))?: \[[^\]\n]*\].*$/gm, '')
  words = words.replace(/(^|\n\n)Runtime: agent=\S+ \| [^\n]*/g, '')
  words = words.replace(/^\[message_id: [^\]]*\]$/gm, '')
  words = withoutTimestamp(words.trim()).replace(askedAgain, '')
  return retries.test(words) ? '' : words
}

function withoutTimestamp(text: string): string {
  return text.replace(/^\[[A-Z][a-z]{2} \d{4}-\d{2}-\d{2} \d{2}:\d{2}[^\]]*\]\s*/, '')
}

/** Each block is a header line, then a fenced JSON object or the lines up to the next empty one. */
function withoutContextBlocks(text: string): string {
  const kept: string[] = []
  const lines = text.split('\n')
  for (let at = 0; at < lines.length; at++) {
    const line = (lines[at] ?? '').trimEnd()
    if (!line.endsWith(contextMarker)) {
      kept.push(line)
      continue
    }
    const end = lines[at + 1]?.trim() === '```json' ? '```' : ''
    at += end === '```' ? 2 : 1
    while (at < lines.length && lines[at]?.trim() !== end) at++
  }
  return kept.join('\n').trim()
}
