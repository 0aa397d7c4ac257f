import { randomBytes } from 'node:crypto'
import { type KeyEncryptionKey, type SecretBox, SecretBoxError } from '../../domain/secrets/secret-box.ts'
import { decrypt, encrypt } from './aes-gcm.ts'

const version = 'reef1'
const dataKeyBytes = 32
const pattern = /^reef1\.([A-Za-z0-9-]{1,128})\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)$/

/**
 * Envelope encryption: `reef1.KEY_ID.WRAPPED_DATA_KEY.CIPHERTEXT`, both base64url. The first key seals; the others only
 * open what they sealed before.
 */
export function createSecretBox(keys: readonly [KeyEncryptionKey, ...KeyEncryptionKey[]]): SecretBox {
  const [current] = keys
  const byId = new Map(keys.map((key) => [key.id, key]))

  const unwrap = async (parts: Parts, context: string): Promise<Buffer> => {
    const key = byId.get(parts.keyId)
    if (!key)
      throw new SecretBoxError(
        'key_unknown',
        `This was sealed with the key ${parts.keyId}, which this Reef does not have. Restore it to REEF_SECRETS_KEY_FILE, or the root secret it comes from.`,
      )
    return refusing(() => key.unwrap(parts.wrapped, context))
  }

  return {
    keyId: current.id,
    seal: async (plaintext, context) => {
      const dataKey = randomBytes(dataKeyBytes)
      try {
        const ciphertext = encrypt(dataKey, plaintext, associated(context))
        return join(current.id, await current.wrap(dataKey, context), ciphertext)
      } finally {
        dataKey.fill(0)
      }
    },
    open: async (sealed, context) => {
      const parts = split(sealed)
      const dataKey = await unwrap(parts, context)
      try {
        return await refusing(async () => decrypt(dataKey, parts.ciphertext, associated(context)))
      } finally {
        dataKey.fill(0)
      }
    },
    rewrap: async (sealed, context) => {
      const parts = split(sealed)
      if (parts.keyId === current.id) return sealed
      const dataKey = await unwrap(parts, context)
      try {
        return join(current.id, await current.wrap(dataKey, context), parts.ciphertext)
      } finally {
        dataKey.fill(0)
      }
    },
  }
}

interface Parts {
  keyId: string
  wrapped: Buffer
  ciphertext: Buffer
}

function join(keyId: string, wrapped: Buffer, ciphertext: Buffer): string {
  return [version, keyId, wrapped.toString('base64url'), ciphertext.toString('base64url')].join('.')
}

function split(sealed: string): Parts {
  const match = pattern.exec(sealed)
  if (!match) throw new SecretBoxError('malformed', 'This is no sealed text of Reef.')
  const [, keyId, wrapped, ciphertext] = match as unknown as [string, string, string, string]
  const parts = {
    keyId,
    wrapped: Buffer.from(wrapped, 'base64url'),
    ciphertext: Buffer.from(ciphertext, 'base64url'),
  }
  // Base64 has spare bits at its end: only the one spelling that `join` gives is taken.
  if (join(parts.keyId, parts.wrapped, parts.ciphertext) !== sealed)
    throw new SecretBoxError('malformed', 'This is no sealed text of Reef.')
  return parts
}

/** Independent of the key that wraps, so that rotating it leaves the data alone. */
function associated(context: string): string {
  return `data ${context}`
}

async function refusing<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw new SecretBoxError(
      'refused',
      'The sealed text was changed, or it belongs to something else.',
      error,
    )
  }
}
