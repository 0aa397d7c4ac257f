import { expect, test } from 'vitest'
import { appendLines, logLinesMax, matchingLines, type NumberedLine } from './log-lines.ts'

const line = (text: string) => ({ at: '2026-01-01T00:00:00.000Z', source: 'openclaw' as const, text })
const texts = (lines: NumberedLine[]) => lines.map(({ text }) => text)

test('replaces what is held by the tail of a new connection, so that nothing is shown twice', () => {
  const held = appendLines([], [line('a'), line('b')], true)
  expect(texts(appendLines(held, [line('a'), line('b'), line('c')], true))).toEqual(['a', 'b', 'c'])
  expect(texts(appendLines(held, [line('c')], false))).toEqual(['a', 'b', 'c'])
})

test('holds the newest lines only, and each keeps its number', () => {
  const many = Array.from({ length: logLinesMax + 5 }, (_, index) => line(String(index)))
  const held = appendLines([], many, true)
  expect(held).toHaveLength(logLinesMax)
  expect(held[0]).toMatchObject({ text: '5', number: 6 })
})

test('finds lines whatever their case', () => {
  const held = appendLines([], [line('Gateway READY'), line('tick')], true)
  expect(texts(matchingLines(held, ' ready '))).toEqual(['Gateway READY'])
  expect(matchingLines(held, '  ')).toHaveLength(2)
})

test('shows neither colour codes nor the time twice', () => {
  const held = appendLines([], [line('2026-11-21T11:52:31.045+00:00 \u001b[36m[ws]\u001b[39m res')], true)
  expect(texts(held)).toEqual(['[ws] res'])
})
