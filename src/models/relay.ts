import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import type { ModelProtocol } from '../domain/usage/meter.ts'
import { createEventSplitter } from './event-splitter.ts'
import type { Provider, ProviderAnswer } from './provider.ts'
import { countRelayed } from './relayed.ts'
import { errorEvent } from './surface.ts'
import { type AnswerReading, createEventReader } from './usage.ts'

export interface StreamRelay {
  provider: Provider
  answer: ProviderAnswer
  protocol: ModelProtocol
  /** Chat completions: whether the client asked for the chunk with the usage, which the gateway always asks for. */
  keepUsage: boolean
  /** Aborted, with a code as its reason, when the gateway ends the call: the client is gone, it takes too long. */
  signal: AbortSignal
  onFirstByte: () => void
}

export interface RelayEnd {
  reading: AnswerReading
  /** The provider's stream broke off before it said that it was done. */
  cut: boolean
  /** About how many tokens went to the client. */
  relayedTokens: number
}

/**
 * Streams the provider's events to the client, each as soon as it is complete. The provider is read only as fast as the
 * client takes what was read. The response is always ended, with an error event if the provider broke off.
 */
export async function relayStream(response: ServerResponse, relay: StreamRelay): Promise<RelayEnd> {
  const splitter = createEventSplitter()
  const reader = createEventReader(relay.protocol)
  const relayed = countRelayed()
  const outgoing = (event: Buffer): Buffer | undefined => {
    const text = event.toString()
    const { usageOnly } = reader.read(text)
    relayed.add(text)
    if (usageOnly && !relay.keepUsage) return undefined
    const mustScrub = relay.provider.leaks(event) || reader.reading.errorCode !== null
    return mustScrub ? Buffer.from(relay.provider.scrub(text)) : event
  }
  const forward = async (events: Buffer[]): Promise<void> => {
    const ready = events.map(outgoing).filter((event) => event !== undefined)
    const only = ready.length === 1 ? ready[0] : undefined
    if (ready.length > 0 && !response.write(only ?? Buffer.concat(ready)))
      await once(response, 'drain', { signal: relay.signal })
  }
  let first = true
  let cut = false
  try {
    for await (const chunk of relay.answer.body) {
      if (first) relay.onFirstByte()
      first = false
      await forward(splitter.push(chunk))
    }
    const rest = splitter.rest()
    if (rest.length > 0) await forward([rest])
    // Not every server that speaks chat completions ends with [DONE]; one that has told the usage was done.
    const done = reader.reading.complete || (relay.protocol === 'chat_completions' && reader.reading.usage)
    cut = !done && reader.reading.errorCode === null
  } catch {
    // An answer that has said that it failed is not cut by what happens to the connection afterwards.
    cut = !reader.reading.complete && reader.reading.errorCode === null
  }
  if (cut && !response.destroyed)
    response.write(
      relay.signal.aborted
        ? errorEvent(relay.protocol, String(relay.signal.reason), 'Reef had to end this answer. Try again.')
        : errorEvent(
            relay.protocol,
            'provider_cut',
            `The provider ${relay.provider.name} broke off its answer. Try again.`,
          ),
    )
  response.end()
  return { reading: reader.reading, cut, relayedTokens: relayed.tokens() }
}

/** A whole body, or undefined if the provider broke off or sent more than `bytesMax`. */
export async function readBody(body: AsyncIterable<Buffer>, bytesMax: number): Promise<Buffer | undefined> {
  const chunks: Buffer[] = []
  let length = 0
  try {
    for await (const chunk of body) {
      length += chunk.length
      // Leaving the loop closes the provider's connection.
      if (length > bytesMax) return undefined
      chunks.push(chunk)
    }
  } catch {
    return undefined
  }
  return Buffer.concat(chunks)
}
