import { createPublicKey, sign } from 'node:crypto'
import {
  type Manifest,
  manifestSchema,
  openManifest,
  type SignedManifest,
  signedManifestSchema,
} from '../../../supervisor/backup/manifest.ts'
import { deriveSigningKey, type RootSecret } from '../../secrets.ts'

/** Signs manifests with a key that the root secret gives; supervisors get the public half. */
export interface ManifestSigner {
  /** Base64 of the SPKI. */
  readonly publicKey: string
  sign(manifest: Manifest): string
  /** What `sign` gave, checked. Throws for anything else. */
  open(text: string): Manifest
}

export function createManifestSigner(secret: RootSecret): ManifestSigner {
  const privateKey = deriveSigningKey(secret, 'backup manifests')
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
