import type { SecretBox } from '../../domain/secrets/secret-box.ts'
import type { RootSecret } from '../../secrets.ts'
import { readKeyFile, rootKey } from './local-key.ts'
import { createSecretBox } from './secret-box.ts'

/**
 * The box that the settings ask for: keys of a file where there is one, else a key that the root secret gives. That one
 * always opens what it sealed before there was a file.
 */
export async function openSecretBox(keyFile: string | undefined, secret: RootSecret): Promise<SecretBox> {
  const [first, ...others] = keyFile === undefined ? [] : await readKeyFile(keyFile)
  return createSecretBox(first ? [first, ...others, rootKey(secret)] : [rootKey(secret)])
}
