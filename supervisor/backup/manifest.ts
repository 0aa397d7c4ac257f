import { createPublicKey, verify } from 'node:crypto'
import { z } from 'zod'

/** What a backup is, written last and signed by the control plane: a backup without one does not exist. */
export const manifestSchema = z.object({
  format: z.literal(1),
  backupId: z.string(),
  organizationId: z.string(),
  instanceId: z.string(),
  /** Whose key opens it. */
  userId: z.string(),
  kind: z.enum(['full', 'checkpoint']),
  /** A checkpoint holds what differs from this backup, which is restored first. */
  baseBackupId: z.string().nullable(),
  /** ISO 8601: no change after it is promised to be contained. */
  takenAt: z.string(),
  openclawVersion: z.string(),
  supervisorVersion: z.string(),
  /** The encrypted bytes as they are stored. */
  stored: z.object({ bytes: z.number().int(), sha256: z.string() }),
  /** The archive inside. */
  content: z.object({ bytes: z.number().int(), sha256: z.string() }),
  files: z.object({
    count: z.number().int(),
    /** SHA-256 over one line for each file in order: path, size, SHA-256. */
    digest: z.string(),
  }),
  conversations: z.number().int(),
})
export type Manifest = z.infer<typeof manifestSchema>

/** The manifest's text exactly as it was signed, so that no way of writing JSON has to be agreed on. */
export const signedManifestSchema = z.object({ manifest: z.string(), signature: z.string() })
export type SignedManifest = z.infer<typeof signedManifestSchema>

/** What the supervisor says of a backup that it has delivered; the control plane adds the rest. */
export const backupFactsSchema = manifestSchema.pick({
  takenAt: true,
  openclawVersion: true,
  supervisorVersion: true,
  stored: true,
  content: true,
  files: true,
  conversations: true,
})
export type BackupFacts = z.infer<typeof backupFactsSchema>

/** What a supervisor asks for when `desired.restore` names something new. */
export const restoreOrderSchema = z.object({
  id: z.string(),
  /** Whose backup it must be. */
  userId: z.string(),
  /** Ed25519, base64 of the SPKI: signed every manifest. */
  publicKey: z.string(),
  /** The age identity that opens it. */
  identity: z.string(),
  /** In the order of applying: a backup, then the checkpoint on top of it if there is one. */
  parts: z.array(signedManifestSchema).min(1),
  /** A drill boots the state once and is thrown away: nothing may act on the outside world. */
  drill: z.boolean(),
})
export type RestoreOrder = z.infer<typeof restoreOrderSchema>

/** Throws when the signature is not the control plane's or the text is no manifest. */
export function openManifest(signed: SignedManifest, publicKey: string): Manifest {
  const key = createPublicKey({ key: Buffer.from(publicKey, 'base64'), format: 'der', type: 'spki' })
  if (!verify(null, Buffer.from(signed.manifest), key, Buffer.from(signed.signature, 'base64')))
    throw new Error('The manifest was changed: its signature is not this Reef’s.')
  return manifestSchema.parse(JSON.parse(signed.manifest))
}
