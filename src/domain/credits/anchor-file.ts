import { createPublicKey, sign, verify } from 'node:crypto'
import { z } from 'zod'
import { deriveSigningKey, type RootSecret, sha256 } from '../../secrets.ts'

/** The head of an organization's chain at some time. */
export interface ChainHead {
  organizationId: string
  sequence: number
  /** Hexadecimal. */
  hash: string
}

/** One link in the chain of files outside of the database. */
export interface Anchor {
  /** 1, 2, 3 ... without gaps. */
  number: number
  at: string
  /** SHA-256 of the file before it, hexadecimal; null in the first one. */
  previous: string | null
  heads: ChainHead[]
}

const anchorSchema = z.strictObject({
  format: z.literal(1),
  number: z.number().int().positive(),
  at: z.iso.datetime(),
  previous: z.string().nullable(),
  heads: z.array(
    z.strictObject({ organizationId: z.uuid(), sequence: z.number().int(), hash: z.string().length(64) }),
  ),
})
const fileSchema = z.strictObject({ anchor: z.string(), signature: z.string() })

/** Signs anchors with a key that the root secret gives: who can write the database and the files still cannot make one. */
export interface AnchorSigner {
  /** Base64 of the SPKI, for whoever wants to check the files without Reef. */
  readonly publicKey: string
  sign(anchor: Anchor): string
  /** What `sign` gave, checked. Throws for anything else. */
  open(text: string): Anchor
}

export function createAnchorSigner(secret: RootSecret): AnchorSigner {
  const privateKey = deriveSigningKey(secret, 'ledger anchors')
  const publicKey = createPublicKey(privateKey)
  return {
    publicKey: publicKey.export({ format: 'der', type: 'spki' }).toString('base64'),
    sign: (anchor) => {
      const text = JSON.stringify({ format: 1, ...anchor })
      return JSON.stringify({
        anchor: text,
        signature: sign(null, Buffer.from(text), privateKey).toString('base64'),
      })
    },
    open: (text) => {
      const file = fileSchema.parse(JSON.parse(text))
      if (!verify(null, Buffer.from(file.anchor), publicKey, Buffer.from(file.signature, 'base64')))
        throw new Error('The signature is not of this Reef.')
      const { format: _format, ...anchor } = anchorSchema.parse(JSON.parse(file.anchor))
      return anchor
    },
  }
}

export function sumOfFile(text: string): Buffer {
  return sha256(text)
}

export const anchorsPrefix = 'ledger-anchors/'

/** Keys in the order of the numbers. */
export function anchorKey(number: number): string {
  return `${anchorsPrefix}${String(number).padStart(12, '0')}.json`
}

export function numberOfKey(key: string): number | undefined {
  const digits = /^ledger-anchors\/(\d{12})\.json$/.exec(key)?.[1]
  return digits === undefined ? undefined : Number(digits)
}
