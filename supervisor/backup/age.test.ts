import { randomBytes } from 'node:crypto'
import { createReadStream, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { Decrypter, Encrypter, generateX25519Identity, identityToRecipient } from 'age-encryption'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ageDecryption, ageEncryption } from './age.ts'

const chunk = 64 * 1024
/** Around the places where a chunk ends, which is where such a format goes wrong. */
const sizes = [0, 1, chunk - 1, chunk, chunk + 1, 2 * chunk, 2 * chunk + 1, 5 * chunk + 12_345]
const directory = mkdtempSync(join(tmpdir(), 'reef-age-'))
let identity: string
let recipient: string
beforeAll(async () => {
  identity = await generateX25519Identity()
  recipient = await identityToRecipient(identity)
})
afterAll(() => rmSync(directory, { recursive: true, force: true }))

/** In pieces of no round size. */
async function encrypt(plain: Buffer): Promise<Buffer> {
  const pieces: Buffer[] = []
  for (let at = 0; at < plain.length; at += 30_001) pieces.push(plain.subarray(at, at + 30_001))
  const encryption = await ageEncryption(recipient)
  const [encrypted] = await Promise.all([buffer(encryption), pipeline(Readable.from(pieces), encryption)])
  return encrypted
}

async function decrypt(encrypted: Uint8Array, key = identity): Promise<Buffer> {
  const path = join(directory, 'file.age')
  writeFileSync(path, encrypted)
  const { stream, start } = await ageDecryption(path, key)
  const [plain] = await Promise.all([buffer(stream), pipeline(createReadStream(path, { start }), stream)])
  return plain
}

describe.each(sizes)('of %i bytes', (size) => {
  const plain = randomBytes(size)

  it('what is encrypted here opens with age itself', async () => {
    const decrypter = new Decrypter()
    decrypter.addIdentity(identity)
    expect(Buffer.from(await decrypter.decrypt(await encrypt(plain))).equals(plain)).toBe(true)
  })

  it('what age encrypted opens here', async () => {
    const encrypter = new Encrypter()
    encrypter.addRecipient(recipient)
    expect((await decrypt(await encrypter.encrypt(plain))).equals(plain)).toBe(true)
  })
})

describe('refuses', () => {
  const plain = randomBytes(3 * chunk)

  it('another key', async () => {
    await expect(decrypt(await encrypt(plain), await generateX25519Identity())).rejects.toThrow('no identity')
  })

  it('any flipped byte, in the header and in the payload', async () => {
    const encrypted = await encrypt(plain)
    for (const at of [0, 40, 150, 190, 210, encrypted.length >> 1, encrypted.length - 1]) {
      const changed = Buffer.from(encrypted)
      changed[at] = (changed[at] as number) ^ 1
      await expect(decrypt(changed), `byte ${at}`).rejects.toThrow()
    }
  })

  it('what was cut short, also right between two chunks', async () => {
    const encrypted = await encrypt(plain)
    const payload = encrypted.length - 3 * (chunk + 16)
    for (const end of [10, payload - 1, payload, payload + chunk + 16, encrypted.length - 1])
      await expect(decrypt(encrypted.subarray(0, end)), `${end} bytes`).rejects.toThrow()
  })

  it('chunks in another order, and more after the last', async () => {
    const encrypted = await encrypt(plain)
    const start = encrypted.length - 3 * (chunk + 16)
    const at = (index: number) =>
      encrypted.subarray(start + index * (chunk + 16), start + (index + 1) * (chunk + 16))
    const head = encrypted.subarray(0, start)
    await expect(decrypt(Buffer.concat([head, at(1), at(0), at(2)]))).rejects.toThrow()
    await expect(decrypt(Buffer.concat([encrypted, at(2)]))).rejects.toThrow()
  })
})
