import { randomInt } from 'node:crypto'

// No vowels, so that chance spells no words, and no characters that are easily taken for each other.
const letters = 'bcdfghjkmnpqrstvwxz23456789'
const suffixLength = 6
const readableLengthMax = 24

/** A new name for an instance's address: readable, then random, so that addresses cannot be guessed. A DNS label. */
export function newSlug(name: string): string {
  const readable = name
    .normalize('NFKD')
    .replace(/\p{Diacritic}/gu, '')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, readableLengthMax)
    .replace(/^-+|-+$/g, '')
  const suffix = Array.from({ length: suffixLength }, () => letters[randomInt(letters.length)]).join('')
  return readable ? `${readable}-${suffix}` : `claw-${suffix}`
}
