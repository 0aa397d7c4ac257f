import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readEventStream } from './event-stream.ts'

async function read(bytes: Uint8Array, cuts: number[]): Promise<string[]> {
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]
  async function* chunks() {
    for (let i = 1; i < places.length; i++) yield bytes.subarray(places[i - 1], places[i])
  }
  const events: string[] = []
  for await (const event of readEventStream(chunks())) events.push(event)
  return events
}

const encode = (text: string) => new TextEncoder().encode(text)

test('events arrive whole wherever the network cuts them, inside a character too', async () => {
  const text = fc.string({ unit: 'grapheme' }).filter((value) => !/[\r\n]/.test(value))
  await fc.assert(
    fc.asyncProperty(
      fc.array(text, { maxLength: 5 }),
      fc.constantFrom('\n', '\r\n'),
      fc.array(fc.nat(), { maxLength: 8 }),
      async (events, end, cuts) => {
        const stream = events.map((event) => `data: ${event}${end}${end}`).join('')
        expect(await read(encode(stream), cuts)).toEqual(events)
      },
    ),
  )
})

test('an event of several data lines is one event', async () => {
  expect(await read(encode('data: a\ndata: b\n\n'), [])).toEqual(['a\nb'])
})

test('comments and other fields are skipped', async () => {
  expect(await read(encode(': keep-alive\n\nevent: x\nid: 1\ndata: a\n\n'), [])).toEqual(['a'])
})

test('an event that was cut off before its end is not taken for a whole one', async () => {
  expect(await read(encode('data: a\n\ndata: {"type":'), [])).toEqual(['a'])
})
