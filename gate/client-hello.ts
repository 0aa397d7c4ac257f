import { normaliseName } from './target.ts'

export type ServerName =
  | { kind: 'more' }
  | { kind: 'name'; name: string }
  /** TLS without a server name, with a strange one, or no TLS at all. */
  | { kind: 'none' }

const recordBytes = 5
const handshakeRecord = 22
const clientHello = 1
const serverNameExtension = 0
const hostNameType = 0
/** A ClientHello with post-quantum keys has about 2 kB; nobody needs this much. */
const helloBytesMax = 16 * 1024

/** The server name in the first bytes of a TLS connection (RFC 8446 and RFC 6066), however they were cut into records. */
export function readServerName(bytes: Buffer): ServerName {
  const message = Buffer.alloc(helloBytesMax)
  let length = 0
  for (let offset = 0; ; ) {
    if (offset < bytes.length && bytes[offset] !== handshakeRecord) return { kind: 'none' }
    if (offset + 1 < bytes.length && bytes[offset + 1] !== 3) return { kind: 'none' }
    if (bytes.length < offset + recordBytes) return { kind: 'more' }
    const size = bytes.readUInt16BE(offset + 3)
    const start = offset + recordBytes
    if (size === 0 || length + size > helloBytesMax) return { kind: 'none' }
    length += bytes.copy(message, length, start, Math.min(start + size, bytes.length))
    if (length >= 1 && message[0] !== clientHello) return { kind: 'none' }
    if (length >= 4) {
      const needed = 4 + message.readUIntBE(1, 3)
      if (needed > helloBytesMax) return { kind: 'none' }
      if (length >= needed) return readHello(message.subarray(4, needed))
    }
    if (bytes.length < start + size) return { kind: 'more' }
    offset = start + size
  }
}

function readHello(hello: Buffer): ServerName {
  try {
    // Version and random, then session id, cipher suites and compression methods, each with its length before it.
    let offset = 34
    offset += 1 + hello.readUInt8(offset)
    offset += 2 + hello.readUInt16BE(offset)
    offset += 1 + hello.readUInt8(offset)
    const end = offset + 2 + hello.readUInt16BE(offset)
    if (end !== hello.length) return { kind: 'none' }
    offset += 2
    const names: string[] = []
    while (offset < end) {
      const type = hello.readUInt16BE(offset)
      const size = hello.readUInt16BE(offset + 2)
      offset += 4
      if (offset + size > end) return { kind: 'none' }
      if (type === serverNameExtension) names.push(...readNames(hello.subarray(offset, offset + size)))
      offset += size
    }
    // Two names would leave open which of them the server takes.
    const name = names.length === 1 ? normaliseName(names[0] as string) : undefined
    return name === undefined ? { kind: 'none' } : { kind: 'name', name }
  } catch {
    // A length that points beyond the message.
    return { kind: 'none' }
  }
}

function readNames(extension: Buffer): string[] {
  const names: string[] = []
  if (extension.readUInt16BE(0) !== extension.length - 2)
    throw new Error('the list does not fill its extension')
  for (let offset = 2; offset < extension.length; ) {
    const type = extension.readUInt8(offset)
    const size = extension.readUInt16BE(offset + 1)
    offset += 3
    if (offset + size > extension.length) throw new Error('a name is longer than its list')
    if (type === hostNameType) names.push(extension.toString('latin1', offset, offset + size))
    offset += size
  }
  return names
}
