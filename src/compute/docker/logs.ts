import type Docker from 'dockerode'

const tailLinesMax = 8
/** Kind of stream, three bytes of nothing, and the length of what follows. */
const frameHeaderBytes = 8

/** The last lines that a container wrote, of both its streams; empty when the engine has none. */
export async function readTail(container: Docker.Container): Promise<string> {
  try {
    const raw = await container.logs({ stdout: true, stderr: true, tail: tailLinesMax, follow: false })
    return unframe(Buffer.from(raw as unknown as Uint8Array)) // without `follow` it is the whole text
  } catch {
    return ''
  }
}

/** Docker's framing of two streams in one; see "Stream format" in the Engine API. */
export function unframe(raw: Buffer): string {
  const parts: Buffer[] = []
  for (let at = 0; at + frameHeaderBytes <= raw.length; ) {
    const length = raw.readUInt32BE(at + 4)
    parts.push(raw.subarray(at + frameHeaderBytes, at + frameHeaderBytes + length))
    at += frameHeaderBytes + length
  }
  return Buffer.concat(parts).toString()
}
