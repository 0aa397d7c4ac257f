import { generateX25519Identity, identityToRecipient } from 'age-encryption'
import type { KeyPairs } from '../../domain/backups/keys.ts'

export const ageKeyPairs: KeyPairs = {
  generate: async () => {
    const identity = await generateX25519Identity()
    return { identity, recipient: await identityToRecipient(identity) }
  },
}
