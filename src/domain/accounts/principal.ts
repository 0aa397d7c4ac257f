import type { MemberRole } from '../../db/schema.ts'
import { notFound } from '../../errors.ts'

/** What a credential may be used for. A person's own token has all that their role allows. */
export const scopes = [
  'instances:read',
  'instances:write',
  'chat',
  'organization:read',
  'organization:write',
  'credits:read',
  'credits:write',
] as const

export type Scope = (typeof scopes)[number]

const beyondMembers: ReadonlySet<Scope> = new Set(['organization:write', 'credits:write'])

/** All that a role allows. A key can do what its scopes name and its creator's role allows, never more. */
export function scopesOfRole(role: MemberRole): readonly Scope[] {
  return role === 'member' ? scopes.filter((scope) => !beyondMembers.has(scope)) : scopes
}

/** Who is calling, in which organization, and what for. Made only by an Authenticator. */
export interface Principal {
  kind: 'person' | 'apiKey'
  userId: string
  organizationId: string
  role: MemberRole
  scopes: readonly Scope[]
  /** The log-in that a person's token comes from, so that logging out can end what it started. Null for a key. */
  familyId: string | null
  /** The API key used, so that its revocation can end what it started. */
  apiKeyId: string | null
}

export interface Authenticator {
  /**
   * Turns an Authorization header (`Bearer` with an access token or an `oc_` API key) into a Principal. A person acts in
   * `organizationId` or, without one, in their personal organization; a key only ever in its own.
   * Throws `unauthenticated` for a missing, expired, revoked or tampered credential and `notFound` for an organization
   * that the caller is no member of.
   */
  authenticate(credential: {
    authorization: string | undefined
    organizationId: string | undefined
  }): Promise<Principal>
}

/** For what a log-in started and must not outlive. */
export interface LogIns {
  /** Whether the person's log-in has neither been ended nor forgotten. May be up to one second old. */
  isOpen(userId: string, familyId: string): Promise<boolean>
}

/** Throws the same answer as for something that does not exist: a key learns nothing from what it may not do. */
export function requireScope(principal: Principal, scope: Scope): void {
  if (!principal.scopes.includes(scope)) throw notFound(`scope ${scope} is missing`)
}

/** For what only people may do, such as making keys: a key that leaked must not be able to make itself more of them. */
export function requirePerson(principal: Principal): asserts principal is Principal & { familyId: string } {
  if (principal.kind !== 'person' || principal.familyId === null) throw notFound('an API key may not do this')
}

const ranks: Record<MemberRole, number> = { member: 0, admin: 1, owner: 2 }

export function outranks(role: MemberRole, other: MemberRole): boolean {
  return ranks[role] > ranks[other]
}

export function requireRole(principal: Principal, role: MemberRole): void {
  if (outranks(role, principal.role)) throw notFound(`role ${principal.role} is below ${role}`)
}
