import { createHmac, randomBytes } from 'node:crypto'
import type { Trx } from '../../db/database.ts'
import { newId } from '../../ids.ts'
import { randomToken, sha256 } from '../../secrets.ts'

export const refreshTokenSeconds = 30 * 24 * 3600

/** So long an attempt can be repeated whose answer was lost. */
const repeatSeconds = 60

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
 * because either the owner or a thief holds a copy and nobody can tell which. So whoever holds a token asks for one
 * refresh at a time: tabs that share a cookie take turns (navigator.locks).
 *
 * An answer that gets lost, for example because the page is reloaded meanwhile, is no second use: whoever asks again
 * with the secret `attempt` of the first request, within a minute and before the next token was used, gets the same
 * answer. Without an attempt there is no period of grace.
 *
 * The caller must commit whatever the outcome: a reuse has been written down.
 */
export async function rotateRefreshToken(
  trx: Trx,
  refreshToken: string,
  now: Date,
  attempt?: string,
): Promise<Rotation> {
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
  const issued = { userId: family.user_id, familyId: family.id }
  if (token.used_at) {
    const repeated = attempt && (await findRepeated(trx, { ...token, refreshToken, attempt }, now))
    if (repeated) return { outcome: 'rotated', ...issued, refreshToken: repeated }
    await revoke(trx, family.id, 'reuse', now)
    return { outcome: 'reused' }
  }
  if (token.expires_at <= now) return { outcome: 'expired' }
  const salt = attempt === undefined ? null : randomBytes(32)
  await trx
    .updateTable('refresh_tokens')
    .set({ used_at: now, attempt_salt: salt })
    .where('id', '=', token.id)
    .execute()
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
  const next = attempt && salt ? deriveNext(refreshToken, attempt, salt) : randomToken()
  return { outcome: 'rotated', ...(await issue(trx, issued, now, next)) }
}

/** As random as the token that it follows, and known only to whoever has that one and the attempt. */
function deriveNext(refreshToken: string, attempt: string, salt: Buffer): string {
  return createHmac('sha256', salt).update(`${refreshToken} ${attempt}`).digest('base64url')
}

interface Repeated {
  family_id: string
  used_at: Date | null
  attempt_salt: Buffer | null
  refreshToken: string
  attempt: string
}

/** What the same attempt was answered, as long as nobody has gone on from there. */
async function findRepeated(trx: Trx, token: Repeated, now: Date): Promise<string | undefined> {
  if (!token.attempt_salt || !token.used_at) return undefined
  if (now.getTime() - token.used_at.getTime() > repeatSeconds * 1000) return undefined
  const next = deriveNext(token.refreshToken, token.attempt, token.attempt_salt)
  const found = await trx
    .selectFrom('refresh_tokens')
    .select('used_at')
    .where('family_id', '=', token.family_id)
    .where('token_hash', '=', sha256(next))
    .executeTakeFirst()
  return found && found.used_at === null ? next : undefined
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
  refreshToken = randomToken(),
): Promise<IssuedRefreshToken> {
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
      attempt_salt: null,
    })
    .execute()
  return { ...family, refreshToken }
}

function after(now: Date): Date {
  return new Date(now.getTime() + refreshTokenSeconds * 1000)
}
