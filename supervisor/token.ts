import { createHash, timingSafeEqual } from 'node:crypto'

/** In constant time: digests are compared, so that lengths do not matter either. */
export function isToken(given: string | string[] | undefined, expected: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return typeof given === 'string' && timingSafeEqual(digest(given), digest(expected))
}
