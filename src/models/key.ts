import { isId } from '../ids.ts'
import { type RootSecret, sameSecret } from '../secrets.ts'

/** A slot's own key for the model gateway. It is derived, so there is nothing to store and nothing to look up. */
export function modelKey(secret: RootSecret, slotId: string): string {
  return `rmk_${slotId}_${secret.deriveToken('model key', slotId)}`
}

/** The slot that a key belongs to, or undefined for anything that is not a genuine key. */
export function verifyModelKey(secret: RootSecret, key: string): string | undefined {
  const slotId = key.slice(4, 40)
  if (!key.startsWith('rmk_') || !isId(slotId)) return undefined
  return sameSecret(key, modelKey(secret, slotId)) ? slotId : undefined
}
