/**
 * Looks over the shoulder of a WebSocket's client: tells the beginning of every text message that it sends, and changes
 * nothing. Only for connections without compression.
 */
export function watchClientFrames(
  onMessage: (beginning: string) => void,
  beginningBytesMax = 512,
): (chunk: Buffer) => void {
  let pending: Buffer = Buffer.alloc(0)
  let frame: { left: number; offset: number; mask: Buffer; text: boolean; bytes: number[] } | undefined

  const finish = (): void => {
    if (frame?.text) onMessage(Buffer.from(frame.bytes).toString('latin1'))
    frame = undefined
  }

  return (chunk) => {
    pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk])
    for (;;) {
      if (frame === undefined) {
        const head = readHead(pending)
        if (head === undefined) return
        pending = pending.subarray(head.bytes)
        // Of a message in parts the first names its kind and holds its beginning.
        frame = { left: head.payloadBytes, offset: 0, mask: head.mask, text: head.opcode === 1, bytes: [] }
      }
      const taken = Math.min(frame.left, pending.length)
      const seen = frame.text ? Math.min(taken, beginningBytesMax - frame.bytes.length) : 0
      for (let index = 0; index < seen; index++)
        frame.bytes.push((pending[index] as number) ^ (frame.mask[(frame.offset + index) % 4] as number))
      frame.offset += taken
      frame.left -= taken
      pending = pending.subarray(taken)
      if (frame.left > 0) return
      finish()
    }
  }
}

/** RFC 6455, section 5.2. Undefined until all of it is there. */
function readHead(buffer: Buffer) {
  if (buffer.length < 2) return undefined
  const opcode = (buffer[0] as number) & 0x0f
  const second = buffer[1] as number
  const short = second & 0x7f
  const lengthBytes = short === 127 ? 8 : short === 126 ? 2 : 0
  const masked = (second & 0x80) !== 0
  const bytes = 2 + lengthBytes + (masked ? 4 : 0)
  if (buffer.length < bytes) return undefined
  const payloadBytes =
    lengthBytes === 8 ? Number(buffer.readBigUInt64BE(2)) : lengthBytes === 2 ? buffer.readUInt16BE(2) : short
  const mask = masked ? Buffer.from(buffer.subarray(bytes - 4, bytes)) : Buffer.alloc(4)
  return { opcode, bytes, payloadBytes, mask }
}
