/** Longest single event, in bytes: a provider that never ends one may not fill the memory. */
const eventBytesMax = 16 * 1024 * 1024

const lineFeed = 0x0a
const carriageReturn = 0x0d

export interface EventSplitter {
  /** Takes what arrived and answers the events that it completed, each with its blank line, byte for byte. */
  push(chunk: Buffer): Buffer[]
  /** What is left of an event without an end. */
  rest(): Buffer
}

/** Cuts a stream of server-sent events at its blank lines without decoding it, so that a split character does no harm. */
export function createEventSplitter(): EventSplitter {
  let pending: Buffer = Buffer.alloc(0)
  // Everything before this index has been searched already.
  let searched = 0

  return {
    push: (chunk) => {
      const data = pending.length === 0 ? chunk : Buffer.concat([pending, chunk])
      const events: Buffer[] = []
      let start = 0
      let at = data.indexOf(lineFeed, searched)
      while (at !== -1) {
        const next = data[at + 1] === carriageReturn ? at + 2 : at + 1
        if (data[next] === lineFeed) {
          events.push(data.subarray(start, next + 1))
          start = next + 1
          at = data.indexOf(lineFeed, start)
        } else at = data.indexOf(lineFeed, at + 1)
      }
      pending = data.subarray(start)
      if (pending.length > eventBytesMax) throw new Error('an event of the provider is too long')
      // A blank line may be split between two chunks: its first line feed is at most two bytes back.
      searched = Math.max(0, pending.length - 2)
      return events
    },
    rest: () => pending,
  }
}
