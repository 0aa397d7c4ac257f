import { openRootSecret } from '../../src/secrets.ts'

export const testSecret = openRootSecret(Buffer.alloc(32, 7))
