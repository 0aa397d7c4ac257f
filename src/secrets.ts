import {
  createHash,
  createHmac,
  createPrivateKey,
  hkdfSync,
  type KeyObject,
  randomBytes,
  timingSafeEqual,
} from 'node:crypto'

/**
 * Everything that Reef derives from its one root secret (`REEF_SECRET`, or `secret.key` in the data directory).
 * Each purpose has its own key by HKDF-SHA256 (RFC 5869), so that no two uses share one.
 */
export interface RootSecret {
  /** 32 bytes for one purpose. The same root secret and purpose always give the same key. */
  deriveKey(purpose: string): Buffer
  /** A token for one purpose and subject, base64url, 43 characters. Nothing needs to be stored to verify it. */
  deriveToken(purpose: string, subject: string): string
}

export function openRootSecret(secret: Buffer): RootSecret {
  const deriveKey = (purpose: string): Buffer => Buffer.from(hkdfSync('sha256', secret, 'reef', purpose, 32))
  return {
    deriveKey,
    deriveToken: (purpose, subject) =>
      createHmac('sha256', deriveKey(purpose)).update(subject).digest('base64url'),
  }
}

/** What PKCS#8 puts before the 32 bytes of an Ed25519 key (RFC 8410). */
const privateKeyPrefix = Buffer.from('302e020100300506032b657004220420', 'hex')

/** An Ed25519 key for one purpose. */
export function deriveSigningKey(secret: RootSecret, purpose: string): KeyObject {
  return createPrivateKey({
    key: Buffer.concat([privateKeyPrefix, secret.deriveKey(purpose)]),
    format: 'der',
    type: 'pkcs8',
  })
}

export function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

/** A random token of 256 bits, base64url. */
export function randomToken(): string {
  return randomBytes(32).toString('base64url')
}

/** Compares in time that does not depend on where the texts differ. */
export function sameSecret(given: string, expected: string): boolean {
  return timingSafeEqual(sha256(given), sha256(expected))
}
