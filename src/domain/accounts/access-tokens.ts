import { errors, jwtVerify, SignJWT } from 'jose'
import { unauthenticated } from '../../errors.ts'
import { isId } from '../../ids.ts'
import type { RootSecret } from '../../secrets.ts'

export const accessTokenSeconds = 3600

/** What an access token says: who, and from which log-in. Roles are read afresh, so that a change counts at once. */
export interface AccessClaims {
  userId: string
  familyId: string
}

export interface AccessTokens {
  sign(claims: AccessClaims, now: Date): Promise<string>
  /** Throws `unauthenticated` for anything but a token of ours that is still good. */
  verify(token: string, now: Date): Promise<AccessClaims>
}

const algorithm = 'HS256'
const type = 'at+jwt'
const issuer = 'reef'
const audience = 'reef-api'

/**
 * Access tokens as JWTs (RFC 9068). There is one key and one algorithm, so nothing in a token's header chooses either:
 * `kid`, `jwk`, `jku` and `x5u` have nothing to point at, and a token that carries them is not one of ours.
 */
export function createAccessTokens(secret: RootSecret): AccessTokens {
  const key = secret.deriveKey('access token')
  return {
    sign: ({ userId, familyId }, now) => {
      const issuedAt = Math.floor(now.getTime() / 1000)
      return new SignJWT({ sid: familyId })
        .setProtectedHeader({ alg: algorithm, typ: type })
        .setSubject(userId)
        .setIssuer(issuer)
        .setAudience(audience)
        .setIssuedAt(issuedAt)
        .setExpirationTime(issuedAt + accessTokenSeconds)
        .sign(key)
    },
    verify: async (token, now) => {
      const { payload, protectedHeader } = await jwtVerify<{ sid?: unknown }>(token, key, {
        algorithms: [algorithm],
        typ: type,
        issuer,
        audience,
        requiredClaims: ['sub', 'sid', 'iat', 'exp'],
        currentDate: now,
      }).catch((error: unknown) => {
        throw error instanceof errors.JWTExpired
          ? unauthenticated(
              'access_token_expired',
              'The access token has expired. Refresh it or log in again.',
            )
          : invalidToken()
      })
      const { sub, sid } = payload
      const isOurHeader = Object.keys(protectedHeader).every((name) => name === 'alg' || name === 'typ')
      if (!isOurHeader || typeof sub !== 'string' || typeof sid !== 'string' || !isId(sub) || !isId(sid))
        throw invalidToken()
      return { userId: sub, familyId: sid }
    },
  }
}

function invalidToken() {
  return unauthenticated('access_token_invalid', 'The access token is not valid. Log in again.')
}
