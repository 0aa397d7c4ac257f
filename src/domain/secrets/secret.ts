import type { SecretEventKind, SecretScope } from '../../db/tables/secrets.ts'
import { invalid } from '../../errors.ts'

/** What anybody but a slot ever sees of a secret. */
export interface Secret {
  id: string
  name: string
  scope: SecretScope
  instanceId: string | null
  sessionId: string | null
  version: number
  /** Equal for equal values of one organization, and of no use to guess one. */
  fingerprint: string
  sizeBytes: number
  exposeToTools: boolean
  /** A narrower secret of the same name is used in its place. */
  overridden: boolean
  createdAt: string
  updatedAt: string
  /** When a slot was last given it. */
  lastUsedAt: string | null
}

export interface SecretEvent {
  id: string
  at: string
  kind: SecretEventKind
  name: string
  scope: SecretScope
  version: number
  instanceId: string | null
  sessionId: string | null
  userId: string | null
  slotId: string | null
}

/** A value on its way to a slot; never stored, logged or answered. */
export interface DeliveredSecret {
  id: string
  name: string
  value: string
  version: number
  exposeToTools: boolean
}

const valueBytesMax = 16 * 1024
/** Of one organization, instance or session. All three together fit a message of the link several times over. */
export const scopeBytesMax = 48 * 1024
export const secretsPerScopeMax = 100

/** Names with a meaning to the shell, to Node or to OpenClaw, which a secret must not change. */
const reserved =
  /^(PATH|HOME|SHELL|USER|PWD|IFS|ENV|BASH_ENV|TERM|TMPDIR|NODE_.*|NPM_CONFIG_.*|LD_.*|DYLD_.*|GIT_SSH.*|PYTHON(PATH|HOME|STARTUP)|(HTTPS?|ALL|NO)_PROXY|SSL_CERT_.*|OPENCLAW_.*|REEF_.*)$/

export function checkName(name: string): void {
  if (!/^[A-Z][A-Z0-9_]{0,127}$/.test(name))
    throw invalid(
      'name',
      'A secret is called like an environment variable: capital letters, digits and underscores, beginning with a letter. For example GITHUB_TOKEN.',
    )
  if (reserved.test(name)) throw invalid('name', `${name} has a meaning of its own. Choose another name.`)
}

export function checkValue(value: string): void {
  const bytes = Buffer.byteLength(value)
  if (bytes === 0) throw invalid('value', 'The value is empty. To take a secret away, remove it.')
  if (bytes > valueBytesMax)
    throw invalid(
      'value',
      `The value is larger than ${valueBytesMax / 1024} KiB. Keep files elsewhere and their key here.`,
    )
  // A variable of the shell ends at a NUL, and half a surrogate pair would arrive as another character.
  if (value.includes('\0') || !value.isWellFormed())
    throw invalid('value', 'The value holds characters that are no text. Encode it, for example in base64.')
}

/** Binds a sealed value to whose and which it is, so that no copied row opens as another. */
export function sealContext(secret: { organizationId: string; id: string; version: number }): string {
  return `secret/${secret.organizationId}/${secret.id}/${secret.version}`
}

const rank: Record<SecretScope, number> = { organization: 0, instance: 1, session: 2 }

export function scopeOf(row: { instance_id: string | null; session_id: string | null }): SecretScope {
  return row.session_id !== null ? 'session' : row.instance_id !== null ? 'instance' : 'organization'
}

/** Of several secrets with one name the one with the narrowest scope; sorted by name. */
export function narrowest<T extends { name: string; scope: SecretScope }>(secrets: readonly T[]): T[] {
  const byName = new Map<string, T>()
  for (const secret of secrets) {
    const other = byName.get(secret.name)
    if (!other || rank[secret.scope] > rank[other.scope]) byName.set(secret.name, secret)
  }
  return [...byName.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
}
