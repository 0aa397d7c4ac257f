import type { Readable } from 'node:stream'

/**
 * The port to where backups lie. A key is a path of letters, digits, `-`, `_`, `.` and `/`. What appears under a key is
 * whole: nobody ever sees half of it, whatever process dies when.
 */
export interface BlobStore {
  /** Shown to people as the location. */
  readonly name: string
  /**
   * Takes the stream to a temporary place and publishes it under the key only when size and digest are as expected;
   * otherwise throws and leaves nothing. Overwrites what is there.
   */
  put(key: string, body: Readable, expected: BlobSums): Promise<void>
  /** Throws a `BlobMissing` when there is nothing. */
  get(key: string): Promise<Readable>
  /** Every blob whose key starts with the prefix, in the order of the keys. Unpublished ones are not among them. */
  list(prefix: string): AsyncIterable<BlobInfo>
  /** Absence is success. */
  delete(key: string): Promise<void>
  /** Removes what was never published and is older than this. */
  removeAbandoned(olderThan: Date): Promise<void>
}

export interface BlobSums {
  bytes: number
  /** Hexadecimal. */
  sha256: string
}

export interface BlobInfo {
  key: string
  bytes: number
  modifiedAt: Date
}

/** Uploads that arrive in parts, and are published once they are whole. Only the local store takes such. */
export interface DraftStore {
  /**
   * Writes at `offset`, which is at most what has been written; what lies behind it is forgotten, so that a part whose
   * answer was lost can be sent again. Answers the length. Throws a `DraftGap` when a part before this one is missing.
   */
  append(draft: string, offset: number, part: Buffer): Promise<number>
  /** Reads it back, compares, and only then makes it appear under the key. Throws a `DraftDiffers`. */
  publish(draft: string, key: string, expected: BlobSums): Promise<void>
  discard(draft: string): Promise<void>
}

export class BlobMissing extends Error {
  override readonly name = 'BlobMissing'
  constructor(key: string) {
    super(`There is nothing at ${key}.`)
  }
}

export class BlobDiffers extends Error {
  override readonly name = 'BlobDiffers'
}

/** Throws a `BlobDiffers` that says what is wrong. */
export function requireSums(found: BlobSums, expected: BlobSums): void {
  if (found.bytes !== expected.bytes)
    throw new BlobDiffers(`${found.bytes} bytes have arrived, and ${expected.bytes} should have.`)
  if (found.sha256 !== expected.sha256) throw new BlobDiffers('What has arrived is not what was sent.')
}

export class DraftGap extends Error {
  override readonly name = 'DraftGap'
}

const keyPattern = /^[A-Za-z0-9_-][A-Za-z0-9._-]*(\/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$/

/** Keys become paths: nothing but a key may. */
export function requireKey(key: string): string {
  if (!keyPattern.test(key)) throw new Error(`${JSON.stringify(key)} is not a key of a blob store.`)
  return key
}
