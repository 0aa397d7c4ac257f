import { betterAuth } from 'better-auth'
import type { Kysely } from 'kysely'
import type { Database, Trx } from '../../db/database.ts'
import type { Tables } from '../../db/schema.ts'
import type { Identity, Person } from '../../domain/accounts/identity.ts'
import { conflict } from '../../errors.ts'
import { newId } from '../../ids.ts'
import type { RootSecret } from '../../secrets.ts'
import { hashPassword, verifyPassword } from './password.ts'

export interface IdentityDeps {
  database: Database
  secret: RootSecret
}

/** Better-auth's name for an account that is an e-mail address and a password. */
const passwordProvider = 'credential'

/**
 * Identity on better-auth. Only its model of users and credentials is used: sessions, cookies, routes and rate limits
 * are Reef's own, so its endpoints are never mounted and it has no session table.
 */
export async function createIdentity(deps: IdentityDeps): Promise<Identity> {
  const { internalAdapter } = await openContext(deps.database.identity, deps.secret)
  // What an unknown address is checked against, so that it takes as long as a known one.
  const nobodysHash = await hashPassword(newId())

  return {
    hashPassword,

    createPerson: async (trx, person) => {
      const { internalAdapter: inTransaction } = await openContext(trx, deps.secret)
      if (await inTransaction.findUserByEmail(person.email)) throw emailTaken()
      const user = await inTransaction
        .createUser(
          { email: person.email, name: person.name, emailVerified: false },
          { method: 'email-password' },
        )
        .catch((error: unknown) => {
          // Two sign-ups with one address at the same moment: the table's constraint lets one through.
          throw isUniqueViolation(error) ? emailTaken() : error
        })
      await inTransaction.linkAccount({
        userId: user.id,
        providerId: passwordProvider,
        accountId: user.id,
        password: person.passwordHash,
      })
      return toPerson(user)
    },

    findByPassword: async (email, password) => {
      const found = await internalAdapter.findUserByEmail(email, { includeAccounts: true })
      const hash = found?.accounts.find((account) => account.providerId === passwordProvider)?.password
      const right = await verifyPassword(hash ?? nobodysHash, password)
      return found && hash && right ? toPerson(found.user) : undefined
    },
  }
}

/** Better-auth over a connection or a transaction. Making one takes about 0.3 ms: it is plain objects. */
async function openContext(connection: Kysely<Tables> | Trx, secret: RootSecret) {
  const auth = betterAuth({
    database: { db: connection, type: 'postgres', transaction: false },
    secret: secret.deriveToken('better-auth', 'v1'),
    // Never dialled and never in an answer; without one it warns.
    baseURL: 'http://reef.invalid',
    telemetry: { enabled: false },
    logger: { disabled: true },
    rateLimit: { enabled: false },
    emailAndPassword: {
      enabled: true,
      password: { hash: hashPassword, verify: ({ hash, password }) => verifyPassword(hash, password) },
    },
    user: {
      modelName: 'users',
      fields: { emailVerified: 'email_verified', createdAt: 'created_at', updatedAt: 'updated_at' },
    },
    account: {
      modelName: 'user_credentials',
      fields: {
        accountId: 'account_id',
        providerId: 'provider_id',
        userId: 'user_id',
        accessToken: 'access_token',
        refreshToken: 'refresh_token',
        idToken: 'id_token',
        accessTokenExpiresAt: 'access_token_expires_at',
        refreshTokenExpiresAt: 'refresh_token_expires_at',
        createdAt: 'created_at',
        updatedAt: 'updated_at',
      },
    },
    verification: {
      modelName: 'user_verifications',
      fields: { expiresAt: 'expires_at', createdAt: 'created_at', updatedAt: 'updated_at' },
    },
    advanced: {
      // Its check of the schema at start would ask for a session table.
      database: { generateId: () => newId(), validateSchema: false },
    },
  })
  return auth.$context
}

function toPerson(user: { id: string; email: string; name: string }): Person {
  return { id: user.id, email: user.email, name: user.name }
}

function emailTaken() {
  return conflict('email_taken', 'There is already an account with this e-mail address. Log in instead.')
}

function isUniqueViolation(error: unknown): boolean {
  return (error as { code?: string }).code === '23505'
}
