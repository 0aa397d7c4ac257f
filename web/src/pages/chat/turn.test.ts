import { describe, expect, test } from 'vitest'
import type { ToolCall, TurnEvent } from '../../api/types.ts'
import { applyEvent, fail, isActive, newTurn } from './turn.ts'

const tool: ToolCall = { id: 't1', name: 'exec', input: '{}', output: null, failed: false }
const after = (...events: TurnEvent[]) => events.reduce(applyEvent, newTurn('hi', 0))

describe('a turn', () => {
  test('keeps words and tool calls in the order in which they came', () => {
    const turn = after(
      { type: 'started' },
      { type: 'text', delta: 'Let me ' },
      { type: 'text', delta: 'look.' },
      { type: 'tool', tool },
      { type: 'text', delta: 'Done.' },
      { type: 'tool', tool: { ...tool, output: 'a.txt' } },
    )
    expect(turn.segments).toEqual([
      { kind: 'text', text: 'Let me look.' },
      { kind: 'tool', tool: { ...tool, output: 'a.txt' } },
      { kind: 'text', text: 'Done.' },
    ])
    expect(turn.status).toBe('streaming')
  })

  test('goes on stopping while the last words still come, and ends with done', () => {
    const stopping = applyEvent({ ...newTurn('hi', 0), status: 'stopping' }, { type: 'text', delta: 'x' })
    expect(stopping.status).toBe('stopping')
    expect(applyEvent(stopping, { type: 'done', stopped: true }).status).toBe('done')
  })

  test('that fails leaves no tool call running and says why', () => {
    const turn = after({ type: 'tool', tool }, { type: 'error', code: 'upstream', message: 'No answer.' })
    expect(turn).toMatchObject({ status: 'failed', error: 'No answer.' })
    expect(turn.segments[0]).toMatchObject({ tool: { failed: true, output: '' } })
    expect(isActive(turn)).toBe(false)
  })

  test('that ended well is not failed by its connection closing', () => {
    const turn = after({ type: 'done', stopped: false })
    expect(fail(turn, 'lost')).toBe(turn)
  })
})
