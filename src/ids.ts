import { v7 } from 'uuid'

/** A new time-ordered id (UUID version 7, RFC 9562): rows made together lie together in their index. */
export function newId(): string {
  return v7()
}

const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

export function isId(text: string): boolean {
  return uuidPattern.test(text)
}
