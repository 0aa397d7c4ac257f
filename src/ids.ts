import { v7 } from 'uuid'

/** A new time-ordered id (UUID version 7, RFC 9562): rows made together lie together in their index. */
export function newId(): string {
  return v7()
}

/** No id that was made at this moment or later comes before it. */
export function firstIdOf(moment: Date): string {
  const hex = moment.getTime().toString(16).padStart(12, '0')
  return `${hex.slice(0, 8)}-${hex.slice(8)}-7000-8000-000000000000`
}

const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

export function isId(text: string): boolean {
  return uuidPattern.test(text)
}
