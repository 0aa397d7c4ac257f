import type { Clock } from '../../clock.ts'
import type { Database } from '../../db/database.ts'
import { unauthenticated } from '../../errors.ts'
import { newId } from '../../ids.ts'
import type { RootSecret } from '../../secrets.ts'
import type { Trials } from '../credits/trial.ts'
import { appointFirst } from '../operators/operators.ts'
import { accessTokenSeconds, createAccessTokens } from './access-tokens.ts'
import type { EmailVerification } from './email-verification.ts'
import type { Identity, Person } from './identity.ts'
import { getPerson, insertOrganization, listOrganizations, type Organization } from './organizations.ts'
import type { Principal } from './principal.ts'
import {
  type IssuedRefreshToken,
  revokeFamilyOf,
  rotateRefreshToken,
  startTokenFamily,
} from './refresh-tokens.ts'

/** What a log-in hands out. */
export interface LogIn {
  accessToken: string
  expiresInSeconds: number
  refreshToken: string
  user: Person
}

export interface Me {
  user: Person
  /** The one acted in. */
  organization: Organization
  organizations: Organization[]
}

export interface Accounts {
  /**
   * Makes the person, their personal organization and its owner, all or nothing. `address` is where they come from, for
   * the brakes on trial credits.
   */
  signUp(input: { email: string; password: string; name: string; address?: string }): Promise<LogIn>
  /** One answer, in about one time, for a wrong password and for an unknown address. */
  logIn(input: { email: string; password: string }): Promise<LogIn>
  /** Good once per token; see `rotateRefreshToken`. */
  refresh(refreshToken: string, attempt?: string): Promise<LogIn>
  /** Ends the log-in that the token belongs to; its access tokens are refused within a second. */
  logOut(refreshToken: string): Promise<void>
  getMe(principal: Principal): Promise<Me>
}

export interface AccountsDeps {
  database: Database
  identity: Identity
  secret: RootSecret
  clock: Clock
  trials: Pick<Trials, 'begin'>
  emailVerification: Pick<EmailVerification, 'needed' | 'welcome'>
}

export function createAccounts(deps: AccountsDeps): Accounts {
  const accessTokens = createAccessTokens(deps.secret)

  const toLogIn = async (issued: IssuedRefreshToken, user: Person, now: Date): Promise<LogIn> => ({
    accessToken: await accessTokens.sign({ userId: issued.userId, familyId: issued.familyId }, now),
    expiresInSeconds: accessTokenSeconds,
    refreshToken: issued.refreshToken,
    user,
  })

  return {
    signUp: async ({ email, password, name, address }) => {
      const passwordHash = await deps.identity.hashPassword(password)
      const now = deps.clock.now()
      const { person, issued } = await deps.database.asSystem(async (trx) => {
        const person = await deps.identity.createPerson(trx, { email, name, passwordHash })
        const organizationId = newId()
        await insertOrganization(trx, { id: organizationId, name, owner: person, personal: true })
        const operator = await appointFirst(trx, person.id)
        const issued = await startTokenFamily(trx, person.id, now)
        // Last, since trials take turns until the transaction ends. Whoever runs this Reef proves nothing to themselves.
        const verified = operator || !deps.emailVerification.needed
        await deps.trials.begin(trx, { userId: person.id, organizationId, email, address, verified })
        return { person, issued }
      })
      deps.emailVerification.welcome(person)
      return toLogIn(issued, person, now)
    },

    logIn: async ({ email, password }) => {
      const person = await deps.identity.findByPassword(email, password)
      if (!person)
        throw unauthenticated(
          'wrong_credentials',
          'The e-mail address or the password is wrong. Check both, or sign up.',
        )
      const now = deps.clock.now()
      const issued = await deps.database.asSystem((trx) => startTokenFamily(trx, person.id, now))
      return toLogIn(issued, person, now)
    },

    refresh: async (refreshToken, attempt) => {
      const now = deps.clock.now()
      const { rotation, person } = await deps.database.asSystem(async (trx) => {
        const rotation = await rotateRefreshToken(trx, refreshToken, now, attempt)
        const person = rotation.outcome === 'rotated' ? await getPerson(trx, rotation.userId) : undefined
        return { rotation, person }
      })
      // Thrown only after the transaction: the revocation that a reuse causes must be kept.
      if (rotation.outcome === 'reused')
        throw unauthenticated(
          'refresh_token_reused',
          'This refresh token was used before, so its log-in has been ended for safety. Log in again.',
        )
      if (rotation.outcome !== 'rotated' || !person)
        throw unauthenticated('refresh_token_invalid', 'This log-in has ended. Log in again.')
      return toLogIn(rotation, person, now)
    },

    logOut: (refreshToken) =>
      deps.database.asSystem((trx) => revokeFamilyOf(trx, refreshToken, deps.clock.now())),

    getMe: async (principal) => {
      const user = await deps.database.asUser(principal.userId, (trx) => getPerson(trx, principal.userId))
      const organizations = await listOrganizations(deps.database, principal)
      const organization = organizations.find(({ id }) => id === principal.organizationId)
      if (!organization) throw unauthenticated('log_in_revoked', 'This log-in has ended. Log in again.')
      return { user, organization, organizations }
    },
  }
}
