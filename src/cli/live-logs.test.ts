import { expect, test } from 'vitest'
import { rememberLatest } from './live-logs.ts'

const line = (second: number, text: string) => ({
  at: `2026-01-01T00:00:${String(second).padStart(2, '0')}.000Z`,
  source: 'openclaw' as const,
  text,
})

test('after a reconnect the tail repeats no line and loses none of the same moment', () => {
  const printed = rememberLatest()
  for (const each of [line(1, 'a'), line(2, 'b'), line(2, 'c')]) printed.add(each)
  const tail = [line(1, 'a'), line(2, 'b'), line(2, 'c'), line(2, 'd'), line(3, 'a')]
  expect(tail.filter((each) => !printed.has(each))).toEqual([line(2, 'd'), line(3, 'a')])
})
