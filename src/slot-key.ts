import { isId } from './ids.ts'
import { type RootSecret, sameSecret } from './secrets.ts'

/** A slot's own key for what it fetches and delivers below `/slot`. It is derived, so there is nothing to look up. */
export function slotKey(secret: RootSecret, slotId: string): string {
  return `rsk_${slotId}_${secret.deriveToken('slot key', slotId)}`
}

/** The slot that a key belongs to, or undefined for anything that is not a genuine key. */
export function verifySlotKey(secret: RootSecret, key: string): string | undefined {
  const slotId = key.slice(4, 40)
  if (!key.startsWith('rsk_') || !isId(slotId)) return undefined
  return sameSecret(key, slotKey(secret, slotId)) ? slotId : undefined
}
