import { createHmac } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { KeyEncryptionKey } from '../../domain/secrets/secret-box.ts'
import type { RootSecret } from '../../secrets.ts'
import { decrypt, encrypt } from './aes-gcm.ts'

/** A key-encryption key of 32 bytes in this process. Its id says which it is and nothing about it. */
export function localKey(key: Buffer): KeyEncryptionKey {
  const id = `local-${createHmac('sha256', key).update('key id').digest('hex').slice(0, 16)}`
  const associated = (context: string) => `data key ${id} ${context}`
  return {
    id,
    wrap: async (dataKey, context) => encrypt(key, dataKey, associated(context)),
    unwrap: async (wrapped, context) => decrypt(key, wrapped, associated(context)),
  }
}

/** The key that exists without any setting. */
export function rootKey(secret: RootSecret): KeyEncryptionKey {
  return localKey(secret.deriveKey('secret box'))
}

/**
 * The keys of a key file: 64 hexadecimal digits on each line, the newest first; a line that begins with # is a comment.
 * The first seals, all open, so that a key is rotated by a new first line. Throws with the remedy.
 */
export async function readKeyFile(path: string): Promise<KeyEncryptionKey[]> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new Error(`${path} (REEF_SECRETS_KEY_FILE) cannot be read: ${error.code ?? error.message}.`)
  })
  const lines = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
  if (lines.length === 0 || lines.some((line) => !/^[0-9a-f]{64}$/i.test(line)))
    throw new Error(
      `${path} (REEF_SECRETS_KEY_FILE) should hold one key of 64 hexadecimal digits per line, the newest first. ` +
        '`openssl rand -hex 32` makes one.',
    )
  return lines.map((line) => localKey(Buffer.from(line, 'hex')))
}
