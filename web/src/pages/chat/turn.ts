import type { ToolCall, TurnEvent } from '../../api/types.ts'

/** One question and its answer while it happens; afterwards the instance's own history takes its place. */
export interface Turn {
  /** What the person wrote. */
  text: string
  /** How many messages the history had before: these are shown, then the turn. */
  messagesBefore: number
  status: 'sending' | 'streaming' | 'stopping' | 'done' | 'failed'
  segments: Segment[]
  error: string | null
}

/** Words and tool calls in the order in which they came. */
export type Segment = { kind: 'text'; text: string } | { kind: 'tool'; tool: ToolCall }

export function newTurn(text: string, messagesBefore: number): Turn {
  return { text, messagesBefore, status: 'sending', segments: [], error: null }
}

export function isActive(turn: Turn | undefined): boolean {
  return turn !== undefined && turn.status !== 'done' && turn.status !== 'failed'
}

export function applyEvent(turn: Turn, event: TurnEvent): Turn {
  // Stopping goes on streaming until the server says that it is done.
  const status = turn.status === 'sending' ? 'streaming' : turn.status
  switch (event.type) {
    case 'started':
      return { ...turn, status }
    case 'text':
      return { ...turn, status, segments: appendText(turn.segments, event.delta) }
    case 'tool':
      return { ...turn, status, segments: putTool(turn.segments, event.tool) }
    case 'done':
      return { ...turn, status: 'done' }
    case 'error':
      return fail(turn, event.message)
  }
}

/** The end that no event announced; a turn that already ended stays as it is. */
export function fail(turn: Turn, message: string): Turn {
  if (!isActive(turn)) return turn
  const segments = turn.segments.map((segment) =>
    segment.kind === 'tool' && segment.tool.output === null
      ? { ...segment, tool: { ...segment.tool, output: '', failed: true } }
      : segment,
  )
  return { ...turn, status: 'failed', segments, error: message }
}

function appendText(segments: Segment[], delta: string): Segment[] {
  const last = segments.at(-1)
  if (last?.kind !== 'text') return [...segments, { kind: 'text', text: delta }]
  return [...segments.slice(0, -1), { kind: 'text', text: last.text + delta }]
}

/** A tool call comes at least twice, without and with its output; it keeps its place. */
function putTool(segments: Segment[], tool: ToolCall): Segment[] {
  const index = segments.findIndex((segment) => segment.kind === 'tool' && segment.tool.id === tool.id)
  if (index === -1) return [...segments, { kind: 'tool', tool }]
  return segments.with(index, { kind: 'tool', tool })
}
