import type { Trx } from '../../db/database.ts'
import { newId } from '../../ids.ts'
import { randomToken, sha256 } from '../../secrets.ts'

export const refreshTokenSeconds = 30 * 24 * 3600

export interface IssuedRefreshToken {
  userId: string
  familyId: string
  refreshToken: string
}

export type Rotation =
  | ({ outcome: 'rotated' } & IssuedRefreshToken)
  | { outcome: 'unknown' | 'expired' | 'revoked' | 'reused' }

/** Starts a family: one log-in on one device. Sweeps out the same person's families whose time is over. */
export async function startTokenFamily(trx: Trx, userId: string, now: Date): Promise<IssuedRefreshToken> {
  await trx.deleteFrom('token_families').where('user_id', '=', userId).where('expires_at', '<', now).execute()
  const familyId = newId()
  await trx
    .insertInto('token_families')
    .values({ id: familyId, user_id: userId, created_at: now, expires_at: after(now) })
    .execute()
  return issue(trx, { userId, familyId }, now)
}

/**
 * Trades a refresh token for the next one. A token is good once: the second use, however soon, revokes the family,
 * because either the owner or a thief holds a copy and nobody can tell which. There is no period of grace. So whoever
 * holds a token asks for one refresh at a time: tabs that share a cookie take turns (navigator.locks), and a client
 * whose answer got lost logs in again.
 *
 * The caller must commit whatever the outcome: a reuse has been written down.
 */
export async function rotateRefreshToken(trx: Trx, refreshToken: string, now: Date): Promise<Rotation> {
  const family = await lockFamily(trx, refreshToken)
  if (!family) return { outcome: 'unknown' }
  if (family.revoked_at) return { outcome: 'revoked' }
  // Read only once the family is locked: a refresh that held the lock before may just have used the token.
  const token = await trx
    .selectFrom('refresh_tokens')
    .selectAll()
    .where('token_hash', '=', sha256(refreshToken))
    .executeTakeFirst()
  if (!token) return { outcome: 'unknown' }
  if (token.used_at) {
    await revoke(trx, family.id, 'reuse', now)
    return { outcome: 'reused' }
  }
  if (token.expires_at <= now) return { outcome: 'expired' }
  await trx.updateTable('refresh_tokens').set({ used_at: now }).where('id', '=', token.id).execute()
  await trx
    .updateTable('token_families')
    .set({ expires_at: after(now) })
    .where('id', '=', family.id)
    .execute()
  // A used token is kept until it would have expired, to recognise its reuse; after that it is refused anyway.
  await trx
    .deleteFrom('refresh_tokens')
    .where('family_id', '=', family.id)
    .where('expires_at', '<', now)
    .execute()
  return { outcome: 'rotated', ...(await issue(trx, { userId: family.user_id, familyId: family.id }, now)) }
}

/** Ends the log-in that a refresh token belongs to, be the token used or not. An unknown token ends nothing. */
export async function revokeFamilyOf(trx: Trx, refreshToken: string, now: Date): Promise<void> {
  const family = await lockFamily(trx, refreshToken)
  if (family && !family.revoked_at) await revoke(trx, family.id, 'log_out', now)
}

function lockFamily(trx: Trx, refreshToken: string) {
  return trx
    .selectFrom('token_families')
    .select(['id', 'user_id', 'revoked_at'])
    .where('id', 'in', (query) =>
      query.selectFrom('refresh_tokens').select('family_id').where('token_hash', '=', sha256(refreshToken)),
    )
    .forUpdate()
    .executeTakeFirst()
}

async function revoke(trx: Trx, familyId: string, reason: 'log_out' | 'reuse', now: Date): Promise<void> {
  await trx
    .updateTable('token_families')
    .set({ revoked_at: now, revoke_reason: reason })
    .where('id', '=', familyId)
    .execute()
}

async function issue(
  trx: Trx,
  family: { userId: string; familyId: string },
  now: Date,
): Promise<IssuedRefreshToken> {
  const refreshToken = randomToken()
  await trx
    .insertInto('refresh_tokens')
    .values({
      id: newId(),
      family_id: family.familyId,
      user_id: family.userId,
      token_hash: sha256(refreshToken),
      created_at: now,
      expires_at: after(now),
      used_at: null,
    })
    .execute()
  return { ...family, refreshToken }
}

function after(now: Date): Date {
  return new Date(now.getTime() + refreshTokenSeconds * 1000)
}
