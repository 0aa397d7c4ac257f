import { randomInt } from 'node:crypto'

const lengthMax = 40

/** A name as it may stand in an address: lower-case letters, digits and single hyphens, at most 40 characters. */
export function slugFrom(name: string): string {
  const slug = name
    .normalize('NFKD')
    .replace(/\p{Mark}/gu, '')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, lengthMax)
    .replace(/^-+|-+$/g, '')
  return slug || 'organization'
}

/** The same slug with six random characters, for when it is taken. */
export function slugWithSuffix(slug: string): string {
  const suffix = randomInt(36 ** 6)
    .toString(36)
    .padStart(6, '0')
  return `${slug.slice(0, lengthMax - 7).replace(/-+$/, '')}-${suffix}`
}
