import type { Clock } from '../../clock.ts'
import type { Database } from '../../db/database.ts'
import { invalid, notFound } from '../../errors.ts'
import { newId } from '../../ids.ts'
import { sha256 } from '../../secrets.ts'
import { apiKeyHint, newApiKey } from './api-key-format.ts'
import { outranks, type Principal, requirePerson, requireScope, type Scope } from './principal.ts'

export interface ApiKey {
  id: string
  name: string
  hint: string
  scopes: Scope[]
  createdAt: Date
  expiresAt: Date | null
  lastUsedAt: Date | null
  createdBy: string
}

/** Keys of the organization acted in. Members manage their own; admins and owners see and revoke everybody's. */
export interface ApiKeys {
  list(principal: Principal): Promise<ApiKey[]>
  /** `key` is in no later answer: only its SHA-256 is kept. */
  create(
    principal: Principal,
    input: { name: string; scopes: Scope[]; expiresInDays: number | null },
  ): Promise<{ apiKey: ApiKey; key: string }>
  /** Takes effect everywhere within a second. */
  revoke(principal: Principal, apiKeyId: string): Promise<void>
}

export function createApiKeys(deps: { database: Database; clock: Clock }): ApiKeys {
  return {
    list: async (principal) => {
      requireScope(principal, 'organization:read')
      const rows = await deps.database.inTenant(principal.organizationId, (trx) =>
        trx
          .selectFrom('api_keys')
          .selectAll()
          .where('organization_id', '=', principal.organizationId)
          .where('revoked_at', 'is', null)
          .$if(!seesAll(principal), (query) => query.where('user_id', '=', principal.userId))
          .orderBy('created_at')
          .execute(),
      )
      return rows.map(toApiKey)
    },

    create: async (principal, { name, scopes, expiresInDays }) => {
      requirePerson(principal)
      const beyond = scopes.find((scope) => !principal.scopes.includes(scope))
      if (beyond) throw invalid('scopes', `Your role does not include ${beyond}. Leave it out.`)
      const key = newApiKey()
      const now = deps.clock.now()
      const row = await deps.database.inTenant(principal.organizationId, (trx) =>
        trx
          .insertInto('api_keys')
          .values({
            id: newId(),
            organization_id: principal.organizationId,
            user_id: principal.userId,
            name,
            key_hash: sha256(key),
            key_hint: apiKeyHint(key),
            scopes: [...new Set(scopes)],
            created_at: now,
            expires_at: expiresInDays === null ? null : new Date(now.getTime() + expiresInDays * 86_400_000),
          })
          .returningAll()
          .executeTakeFirstOrThrow(),
      )
      return { apiKey: toApiKey(row), key }
    },

    revoke: async (principal, apiKeyId) => {
      requirePerson(principal)
      const result = await deps.database.inTenant(principal.organizationId, (trx) =>
        trx
          .updateTable('api_keys')
          .set({ revoked_at: deps.clock.now() })
          .where('organization_id', '=', principal.organizationId)
          .where('id', '=', apiKeyId)
          .where('revoked_at', 'is', null)
          .$if(!seesAll(principal), (query) => query.where('user_id', '=', principal.userId))
          .executeTakeFirst(),
      )
      if (result.numUpdatedRows === 0n) throw notFound()
    },
  }
}

function seesAll(principal: Principal): boolean {
  return !outranks('admin', principal.role)
}

function toApiKey(row: {
  id: string
  name: string
  key_hint: string
  scopes: string[]
  created_at: Date
  expires_at: Date | null
  last_used_at: Date | null
  user_id: string
}): ApiKey {
  return {
    id: row.id,
    name: row.name,
    hint: row.key_hint,
    // Only `create` writes the column, with values of this type.
    scopes: row.scopes as Scope[],
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    lastUsedAt: row.last_used_at,
    createdBy: row.user_id,
  }
}
