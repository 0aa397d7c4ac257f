import { isId } from './ids.ts'
import { type RootSecret, sameSecret } from './secrets.ts'

/** Keys of one purpose that name their slot and are derived: there is nothing to store and nothing to look up. */
export interface SlotKeys {
  of(secret: RootSecret, slotId: string): string
  /** The slot that a key belongs to, or undefined for anything that is not a genuine key. */
  verify(secret: RootSecret, key: string): string | undefined
}

const idCharacters = 36

function slotKeys(prefix: string, purpose: string): SlotKeys {
  const of: SlotKeys['of'] = (secret, slotId) => `${prefix}${slotId}_${secret.deriveToken(purpose, slotId)}`
  return {
    of,
    verify: (secret, key) => {
      const slotId = key.slice(prefix.length, prefix.length + idCharacters)
      if (!key.startsWith(prefix) || !isId(slotId)) return undefined
      return sameSecret(key, of(secret, slotId)) ? slotId : undefined
    },
  }
}

/** For the model gateway. */
export const modelKeys = slotKeys('rmk_', 'model key')
/** For what a slot fetches and delivers below `/slot`. */
export const deliveryKeys = slotKeys('rsk_', 'slot key')
