import { expect, test } from 'vitest'
import { readEventStream } from './sse.ts'

async function read(parts: (string | Uint8Array)[]): Promise<string[]> {
  const encoder = new TextEncoder()
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const part of parts) controller.enqueue(typeof part === 'string' ? encoder.encode(part) : part)
      controller.close()
    },
  })
  const events: string[] = []
  for await (const data of readEventStream(body)) events.push(data)
  return events
}

test('reads one payload per event and skips comments and other fields', async () => {
  expect(await read([': hello\n\nevent: x\ndata: one\n\nid: 7\ndata:two\n\n'])).toEqual(['one', 'two'])
})

test('puts together what the network cut, also within a character and between CR and LF', async () => {
  const bytes = new TextEncoder().encode('data: Grüße\r\n\r\ndata: zwei\r\n\r\n')
  const single = [...bytes].map((byte) => Uint8Array.of(byte))
  expect(await read(single)).toEqual(['Grüße', 'zwei'])
})

test('joins the lines of one event and delivers a last event that no blank line ended', async () => {
  expect(await read(['data: a\ndata: b\n\ndata: last'])).toEqual(['a\nb', 'last'])
})

test('closes the connection when the reader leaves early', async () => {
  let cancelled = false
  const body = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(new TextEncoder().encode('data: x\n\n')),
    cancel: () => {
      cancelled = true
    },
  })
  for await (const _ of readEventStream(body)) break
  expect(cancelled).toBe(true)
})
