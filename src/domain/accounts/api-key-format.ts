import { randomInt } from 'node:crypto'
import { crc32 } from 'node:zlib'

const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const prefix = 'oc_'
/** 36 characters of 62 are 214 bits. */
const randomLength = 36
/** 62^6 is more than 2^32. */
const checksumLength = 6
const pattern = new RegExp(`^${prefix}[0-9A-Za-z]{${randomLength + checksumLength}}$`)

/** A new key: `oc_`, a random part and its checksum. The prefix lets secret scanners find it, the checksum lets us refuse
 * a mistyped one without asking the database. */
export function newApiKey(): string {
  const random = Array.from({ length: randomLength }, () => alphabet[randomInt(alphabet.length)]).join('')
  return prefix + random + checksum(random)
}

/** True for a credential that claims to be one of our keys, whole or not. */
export function looksLikeApiKey(credential: string): boolean {
  return credential.startsWith(prefix)
}

/** False for a key that was mistyped or cut off. Says nothing of whether the key exists. */
export function isWellFormedApiKey(key: string): boolean {
  if (!pattern.test(key)) return false
  const random = key.slice(prefix.length, prefix.length + randomLength)
  return key.slice(prefix.length + randomLength) === checksum(random)
}

/** Enough of a key to recognise it by, and far too little to guess it: 48 of its 214 bits. */
export function apiKeyHint(key: string): string {
  return `${key.slice(0, prefix.length + 4)}…${key.slice(-4)}`
}

function checksum(random: string): string {
  let rest = crc32(prefix + random)
  let text = ''
  for (let i = 0; i < checksumLength; i++) {
    text = alphabet[rest % alphabet.length] + text
    rest = Math.floor(rest / alphabet.length)
  }
  return text
}
