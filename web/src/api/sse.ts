/**
 * Reads the `data:` payloads of a text/event-stream body. Events may be cut anywhere by the network, also within a
 * character; comments (keep-alives) and other fields are skipped.
 */
export async function* readEventStream(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const reader = body
    .pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>)
    .getReader()
  let pending = ''
  let data: string[] = []
  try {
    while (true) {
      const { done, value } = await reader.read()
      pending += done ? '\n\n' : value
      const lines = pending.split(/\r\n|\n|\r(?!$)/)
      pending = lines.pop() ?? ''
      for (const line of lines) {
        if (line === '') {
          if (data.length > 0) yield data.join('\n')
          data = []
        } else if (line.startsWith('data:')) data.push(line.slice(5).replace(/^ /, ''))
      }
      if (done) return
    }
  } finally {
    // Leaving early (stop, navigation) closes the connection, which ends the upstream as well.
    await reader.cancel().catch(() => undefined)
  }
}
