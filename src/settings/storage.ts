import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'

/** Where Reef keeps what it must know after a restart, and what encrypts it. */
export const storageSettings = {
  REEF_DATA_DIR: z
    .string()
    .default(fileURLToPath(new URL('../../.reef', import.meta.url)))
    .transform((path) => resolve(path))
    .describe('Directory for the private database, the root secret and the process driver’s instances.'),
  DATABASE_URL: z
    .url({ protocol: /^postgres(ql)?$/, error: 'is not a postgres:// URL' })
    .optional()
    .describe(
      'PostgreSQL 15 or newer, as its owner (needs CREATEROLE). Without it Reef runs a private PostgreSQL.',
    ),
  REEF_SECRET: z
    .string()
    .min(32, 'needs at least 32 characters; `openssl rand -base64 32` makes one')
    .optional()
    .describe(
      'Root secret. Every control plane on one database needs the same. Without it: secret.key in the data directory.',
    ),
  REEF_SECRETS_KEY_FILE: z
    .string()
    .optional()
    .describe(
      'File of the keys that encrypt people’s secrets: 64 hexadecimal digits per line, the newest first. Without it: a key from the root secret.',
    ),
}
