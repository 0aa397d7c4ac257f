import { expect, test } from 'vitest'
import { createLineSplitter, createLogBuffer } from './log-buffer.ts'

function split(chunks: string[]): string[] {
  const lines: string[] = []
  const splitter = createLineSplitter((line) => lines.push(line))
  for (const chunk of chunks) splitter.write(chunk)
  splitter.flush()
  return lines
}

test('a line that arrives in pieces is put together, and the last needs no newline', () => {
  expect(split(['first li', 'ne\nsecond\r\n\nthi', 'rd'])).toEqual(['first line', 'second', 'third'])
})

test('output without newlines is cut instead of growing without bound', () => {
  const lines = split(['x'.repeat(9_000), 'y'.repeat(9_000), '\nend'])
  expect(lines.length).toBe(3)
  expect(lines[0]).toHaveLength(8_001)
  expect(lines[2]).toBe('end')
})

test('a full buffer drops the oldest lines and says how many', () => {
  const buffer = createLogBuffer(10, () => new Date(0))
  for (let i = 0; i < 15; i++) buffer.add('openclaw', `line ${i}`)
  const texts = buffer.peek(100, 100_000).map((line) => line.text)
  expect(texts[0]).toMatch(/^\d+ earlier lines were dropped/)
  const dropped = Number.parseInt(texts[0] ?? '', 10)
  expect(texts.length - 1 + dropped).toBe(15)
  expect(texts.at(-1)).toBe('line 14')
})

test('lines stay until they are dropped, and one batch is bounded', () => {
  const buffer = createLogBuffer(100)
  for (let i = 0; i < 20; i++) buffer.add('supervisor', 'x'.repeat(1_000))
  expect(buffer.peek(5, 1_000_000)).toHaveLength(5)
  expect(buffer.peek(100, 3_500)).toHaveLength(3)
  buffer.drop(3)
  expect(buffer.length).toBe(17)
})
