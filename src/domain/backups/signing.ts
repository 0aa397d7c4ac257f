import { createPrivateKey, createPublicKey, sign } from 'node:crypto'
import {
  type Manifest,
  manifestSchema,
  openManifest,
  type SignedManifest,
  signedManifestSchema,
} from '../../../supervisor/backup/manifest.ts'
import type { RootSecret } from '../../secrets.ts'

/** Signs manifests with a key that the root secret gives; supervisors get the public half. */
export interface ManifestSigner {
  /** Base64 of the SPKI. */
  readonly publicKey: string
  sign(manifest: Manifest): string
  /** What `sign` gave, checked. Throws for anything else. */
  open(text: string): Manifest
}

/** What PKCS#8 puts before the 32 bytes of an Ed25519 key (RFC 8410). */
const privateKeyPrefix = Buffer.from('302e020100300506032b657004220420', 'hex')

export function createManifestSigner(secret: RootSecret): ManifestSigner {
  const privateKey = createPrivateKey({
    key: Buffer.concat([privateKeyPrefix, secret.deriveKey('backup manifests')]),
    format: 'der',
    type: 'pkcs8',
  })
  const publicKey = createPublicKey(privateKey).export({ format: 'der', type: 'spki' }).toString('base64')
  return {
    publicKey,
    sign: (manifest) => {
      const text = JSON.stringify(manifestSchema.parse(manifest))
      const signed: SignedManifest = {
        manifest: text,
        signature: sign(null, Buffer.from(text), privateKey).toString('base64'),
      }
      return JSON.stringify(signed)
    },
    open: (text) => openManifest(readSigned(text), publicKey),
  }
}

export function readSigned(text: string): SignedManifest {
  return signedManifestSchema.parse(JSON.parse(text))
}
