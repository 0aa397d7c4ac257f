import type { Clock } from '../../clock.ts'
import type { Database, Trx } from '../../db/database.ts'
import type { MemberRole } from '../../db/schema.ts'
import { notFound, unauthenticated } from '../../errors.ts'
import { isId } from '../../ids.ts'
import { type RootSecret, sha256 } from '../../secrets.ts'
import { type AccessClaims, createAccessTokens } from './access-tokens.ts'
import { isWellFormedApiKey, looksLikeApiKey } from './api-key-format.ts'
import { createBriefCache } from './brief-cache.ts'
import { type Authenticator, type LogIns, type Principal, type Scope, scopesOfRole } from './principal.ts'

export interface AuthenticatorDeps {
  database: Database
  secret: RootSecret
  clock: Clock
}

/** How long a log-out, a revoked key or a changed role may go unnoticed. */
const cacheMilliseconds = 1000
/** How exact `last_used_at` is: a busy key writes no more often than this. */
const lastUsedMilliseconds = 60_000

interface KeyHolder {
  apiKeyId: string
  userId: string
  organizationId: string
  role: MemberRole
  scopes: Scope[]
  expiresAt: Date | null
}

export function createAuthenticator(deps: AuthenticatorDeps): Authenticator & LogIns {
  const accessTokens = createAccessTokens(deps.secret)
  const principals = createBriefCache<Principal>({ clock: deps.clock, milliseconds: cacheMilliseconds })
  const logIns = createBriefCache<boolean>({ clock: deps.clock, milliseconds: cacheMilliseconds })
  const keyHolders = createBriefCache<KeyHolder>({ clock: deps.clock, milliseconds: cacheMilliseconds })

  return {
    authenticate: async ({ authorization, organizationId }) => {
      const credential = /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1]
      if (!credential)
        throw unauthenticated(
          'credential_missing',
          'Log in, and send the access token or an API key as "Authorization: Bearer ...".',
        )
      const wanted = organizationId?.toLowerCase()
      if (looksLikeApiKey(credential)) {
        const holder = await findKeyHolder(credential)
        // A key has one organization; being asked for any other is no different from there being none.
        if (wanted !== undefined && wanted !== holder.organizationId)
          throw notFound('the key is of elsewhere')
        return toKeyPrincipal(holder)
      }
      const claims = await accessTokens.verify(credential, deps.clock.now())
      // Neither the header nor the path has been checked by a schema yet.
      if (wanted !== undefined && !isId(wanted)) throw notFound('not an id')
      return principals.get(`${claims.familyId} ${claims.userId} ${wanted ?? ''}`, () =>
        loadPerson(deps, claims, wanted),
      )
    },
    isOpen: (userId, familyId) =>
      logIns.get(`${familyId} ${userId}`, () =>
        deps.database.asUser(userId, (trx) => isFamilyOpen(trx, { userId, familyId })),
      ),
  }

  async function findKeyHolder(key: string): Promise<KeyHolder> {
    if (!isWellFormedApiKey(key))
      throw unauthenticated(
        'api_key_mistyped',
        'This is no whole API key. Copy it again, from oc_ to its end.',
      )
    const hash = sha256(key)
    const holder = await keyHolders.get(hash.toString('base64'), () => loadKeyHolder(deps, hash))
    // The cache knows nothing of expiry, so that a key ends at its second.
    if (holder.expiresAt && holder.expiresAt <= deps.clock.now()) throw keyRefused()
    return holder
  }
}

async function loadPerson(
  deps: AuthenticatorDeps,
  { userId, familyId }: AccessClaims,
  organizationId: string | undefined,
): Promise<Principal> {
  const { isOpen, member } = await deps.database.asUser(userId, async (trx) => ({
    isOpen: await isFamilyOpen(trx, { userId, familyId }),
    member: await trx
      .selectFrom('members')
      .innerJoin('organizations', 'organizations.id', 'members.organization_id')
      .select(['members.organization_id', 'members.role'])
      .where('members.user_id', '=', userId)
      .where((where) =>
        organizationId === undefined
          ? where('organizations.personal_user_id', '=', userId)
          : where('organizations.id', '=', organizationId),
      )
      .executeTakeFirst(),
  }))
  if (!isOpen) throw unauthenticated('log_in_revoked', 'This log-in has ended. Log in again.')
  if (!member) throw notFound('the caller is no member of the organization')
  return {
    kind: 'person',
    userId,
    organizationId: member.organization_id,
    role: member.role,
    scopes: scopesOfRole(member.role),
    familyId,
    apiKeyId: null,
  }
}

async function isFamilyOpen(trx: Trx, { userId, familyId }: AccessClaims): Promise<boolean> {
  const family = await trx
    .selectFrom('token_families')
    .select('id')
    .where('id', '=', familyId)
    .where('user_id', '=', userId)
    .where('revoked_at', 'is', null)
    .executeTakeFirst()
  return family !== undefined
}

/** The membership is part of the look-up: a key whose creator has left is nobody's. */
async function loadKeyHolder(deps: AuthenticatorDeps, hash: Buffer): Promise<KeyHolder> {
  const now = deps.clock.now()
  // Which tenant the key belongs to is what is being asked, so no tenant's view can answer it.
  const row = await deps.database.asSystem(async (trx) => {
    const found = await trx
      .selectFrom('api_keys')
      .innerJoin('members', (join) =>
        join
          .onRef('members.organization_id', '=', 'api_keys.organization_id')
          .onRef('members.user_id', '=', 'api_keys.user_id'),
      )
      .select([
        'api_keys.id',
        'api_keys.user_id',
        'api_keys.organization_id',
        'api_keys.scopes',
        'api_keys.expires_at',
        'api_keys.last_used_at',
        'members.role',
      ])
      .where('api_keys.key_hash', '=', hash)
      .where('api_keys.revoked_at', 'is', null)
      .executeTakeFirst()
    if (found && isStale(found.last_used_at, now))
      await trx.updateTable('api_keys').set({ last_used_at: now }).where('id', '=', found.id).execute()
    return found
  })
  if (!row) throw keyRefused()
  return {
    apiKeyId: row.id,
    userId: row.user_id,
    organizationId: row.organization_id,
    role: row.role,
    // Only `ApiKeys.create` writes the column, with values of this type.
    scopes: row.scopes as Scope[],
    expiresAt: row.expires_at,
  }
}

function isStale(lastUsedAt: Date | null, now: Date): boolean {
  return lastUsedAt === null || now.getTime() - lastUsedAt.getTime() >= lastUsedMilliseconds
}

function toKeyPrincipal(holder: KeyHolder): Principal {
  const allowed = scopesOfRole(holder.role)
  return {
    kind: 'apiKey',
    userId: holder.userId,
    organizationId: holder.organizationId,
    role: holder.role,
    scopes: holder.scopes.filter((scope) => allowed.includes(scope)),
    familyId: null,
    apiKeyId: holder.apiKeyId,
  }
}

function keyRefused() {
  return unauthenticated('api_key_invalid', 'This API key is unknown, expired or revoked. Make a new one.')
}
