import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createEventSplitter } from './event-splitter.ts'

describe('the event splitter', () => {
  it('finds the same events however the bytes are cut into chunks, and loses none', () => {
    const event = fc
      .tuple(fc.constantFrom('\n', '\r\n'), fc.string({ unit: 'grapheme' }))
      .map(([end, text]) => {
        return `data: ${text.replace(/[\r\n]/g, '')}${end}${end}`
      })
    fc.assert(
      fc.property(
        fc.array(event),
        fc.infiniteStream(fc.integer({ min: 1, max: 7 })),
        fc.string(),
        (events, sizes, rest) => {
          const tail = `data: ${rest.replace(/[\r\n]/g, '')}`
          const bytes = Buffer.from(events.join('') + tail)
          const splitter = createEventSplitter()
          const found: string[] = []
          for (let at = 0; at < bytes.length; ) {
            const size = sizes.next().value as number
            for (const one of splitter.push(bytes.subarray(at, at + size))) found.push(one.toString())
            at += size
          }
          expect(found).toEqual(events)
          expect(splitter.rest().toString()).toBe(tail)
        },
      ),
    )
  })

  it('refuses an event that never ends', () => {
    const splitter = createEventSplitter()
    const chunk = Buffer.alloc(1024 * 1024, 'x')
    expect(() => {
      for (let count = 0; count < 20; count++) splitter.push(chunk)
    }).toThrow('too long')
  })
})
