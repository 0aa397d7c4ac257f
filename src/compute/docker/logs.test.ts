import { expect, test } from 'vitest'
import { unframe } from './logs.ts'

const frame = (stream: 1 | 2, text: string): Buffer => {
  const header = Buffer.alloc(8)
  header.writeUInt8(stream)
  header.writeUInt32BE(Buffer.byteLength(text), 4)
  return Buffer.concat([header, Buffer.from(text)])
}

test('the two streams of a container read as one text, in the order in which they were written', () => {
  expect(unframe(Buffer.concat([frame(1, 'one\n'), frame(2, 'zwei: ü\n'), frame(1, '')]))).toBe(
    'one\nzwei: ü\n',
  )
})

test('a frame that was cut off loses nothing of what came', () => {
  expect(unframe(frame(1, 'complete').subarray(0, 12))).toBe('comp')
  expect(unframe(Buffer.alloc(3))).toBe('')
})
