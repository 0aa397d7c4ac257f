import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto'
import { open } from 'node:fs/promises'
import { Transform, type TransformCallback } from 'node:stream'
import { Decrypter, Encrypter } from 'age-encryption'

/**
 * age files (https://age-encryption.org/v1): keys and header by the library, the payload by Node's own cipher. The
 * library's goes through web streams in JavaScript, which costs several times the time, and memory with it.
 */
const chunkBytes = 64 * 1024
const tagBytes = 16
const payloadNonceBytes = 16
/** A header for one recipient has about 200 bytes; this is room for whatever else age may put there. */
const headBytesMax = 16 * 1024

/** Encrypts what passes, to this recipient. */
export async function ageEncryption(recipient: string): Promise<Transform> {
  const encrypter = new Encrypter()
  encrypter.addRecipient(recipient)
  let fileKey = new Uint8Array()
  // One that adds nothing to the file and only learns its key.
  encrypter.addRecipient({
    wrapFileKey: (key) => {
      fileKey = Uint8Array.from(key)
      return []
    },
  })
  const empty = await encrypter.encrypt(new Uint8Array())
  const header = empty.subarray(0, empty.length - payloadNonceBytes - tagBytes)
  const nonce = randomBytes(payloadNonceBytes)
  const cipher = chunkCipher(fileKey, nonce)
  const inChunks = chunked(chunkBytes, (chunk, last) => cipher.seal(chunk, last))
  inChunks.push(Buffer.concat([header, nonce]))
  return inChunks
}

/** What decrypts the rest of an age file, and where in it that begins. Throws when this identity does not open it. */
export async function ageDecryption(
  path: string,
  identity: string,
): Promise<{ stream: Transform; start: number }> {
  const head = await readHead(path)
  const headerEnd = head.indexOf('\n', head.indexOf('\n--- ') + 1) + 1
  const start = headerEnd + payloadNonceBytes
  if (!head.includes('\n--- ') || head.length < start + tagBytes)
    throw new Error('It is no age file, or the beginning of one.')
  const decrypter = new Decrypter()
  decrypter.addIdentity(identity)
  const fileKey = await decrypter.decryptHeader(head.subarray(0, headerEnd))
  const cipher = chunkCipher(fileKey, head.subarray(headerEnd, start))
  let first = true
  const stream = chunked(chunkBytes + tagBytes, (chunk, last) => {
    // As the format wants it: only of nothing at all is the last chunk empty.
    if (chunk.length < tagBytes || (chunk.length === tagBytes && !first)) throw new Error('It was cut short.')
    first = false
    return [cipher.open(chunk, last)]
  })
  return { stream, start }
}

async function readHead(path: string): Promise<Buffer> {
  const file = await open(path, 'r')
  try {
    const head = Buffer.alloc(headBytesMax)
    const { bytesRead } = await file.read(head, 0, headBytesMax, 0)
    return head.subarray(0, bytesRead)
  } finally {
    await file.close()
  }
}

/** STREAM: each chunk under the next number, and the last one under a mark, so that nothing can be cut off or exchanged. */
function chunkCipher(fileKey: Uint8Array, payloadNonce: Uint8Array) {
  const key = Buffer.from(hkdfSync('sha256', fileKey, payloadNonce, 'payload', 32))
  const nonce = Buffer.alloc(12)
  let count = 0
  const next = (last: boolean): Buffer => {
    // Eleven bytes of counter; the four that are used are enough for 256 TiB.
    nonce.writeUInt32BE(count, 7)
    nonce[11] = last ? 1 : 0
    count += 1
    return nonce
  }
  const options = { authTagLength: tagBytes }
  return {
    seal(chunk: Buffer, last: boolean): Buffer[] {
      const cipher = createCipheriv('chacha20-poly1305', key, next(last), options)
      const sealed = cipher.update(chunk)
      cipher.final()
      return [sealed, cipher.getAuthTag()]
    },
    open(chunk: Buffer, last: boolean): Buffer {
      const decipher = createDecipheriv('chacha20-poly1305', key, next(last), options)
      decipher.setAuthTag(chunk.subarray(chunk.length - tagBytes))
      const opened = decipher.update(chunk.subarray(0, chunk.length - tagBytes))
      decipher.final()
      return opened
    },
  }
}

/** Hands on what passes in chunks of exactly this size; what is left at the end, be it nothing, as the last. */
function chunked(bytes: number, work: (chunk: Buffer, last: boolean) => Buffer[]): Transform {
  const held = Buffer.alloc(bytes)
  let filled = 0
  const guarded = (done: TransformCallback, step: () => void): void => {
    try {
      step()
      done()
    } catch (error) {
      done(error as Error)
    }
  }
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      guarded(done, () => {
        for (let at = 0; at < chunk.length; ) {
          // Only now is it certain that it is not the last.
          if (filled === bytes) {
            for (const part of work(held, false)) this.push(part)
            filled = 0
          }
          const copied = chunk.copy(held, filled, at)
          filled += copied
          at += copied
        }
      })
    },
    flush(done) {
      guarded(done, () => {
        for (const part of work(held.subarray(0, filled), true)) this.push(part)
      })
    },
  })
}
