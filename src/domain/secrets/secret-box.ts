/**
 * The port to envelope encryption. A sealed text can be stored anywhere: it opens only with the key-encryption key that
 * its key id names and only for the context it was sealed for, so that a row copied to another tenant opens nothing.
 */
export interface SecretBox {
  /** Id of the key-encryption key that seals now. */
  readonly keyId: string

  /**
   * Encrypts with a fresh data key, which is wrapped by the key-encryption key. `context` says what it is for and whose,
   * for example `secret/<organization>/<id>/<version>`; it is not in the text and must be given again to open it.
   */
  seal(plaintext: Buffer, context: string): Promise<string>

  /** Throws a `SecretBoxError` when the text was changed, belongs to another context or its key is not at hand. */
  open(sealed: string, context: string): Promise<Buffer>

  /**
   * The same data under the key that seals now, for the rotation of key-encryption keys: only the wrapping of the data
   * key changes. Answers the text unchanged when there is nothing to do.
   */
  rewrap(sealed: string, context: string): Promise<string>
}

/** One key-encryption key: a local one, or one that a KMS holds and that never leaves it. */
export interface KeyEncryptionKey {
  /** Letters, digits and hyphens; stays the same for as long as something wrapped by it is kept. */
  readonly id: string
  wrap(dataKey: Buffer, context: string): Promise<Buffer>
  unwrap(wrapped: Buffer, context: string): Promise<Buffer>
}

export class SecretBoxError extends Error {
  override readonly name = 'SecretBoxError'
  /** `key_unknown`: the text names a key-encryption key that is not at hand, which a restored key file can heal. */
  readonly reason: 'malformed' | 'key_unknown' | 'refused'

  constructor(reason: SecretBoxError['reason'], message: string, cause?: unknown) {
    super(message, { cause })
    this.reason = reason
  }
}
