import { createIdentity } from '../../src/adapters/identity/better-auth.ts'
import { type Accounts, createAccounts, type LogIn } from '../../src/domain/accounts/accounts.ts'
import { createApiKeys } from '../../src/domain/accounts/api-keys.ts'
import { createAuthenticator } from '../../src/domain/accounts/authenticator.ts'
import { createEmailVerification } from '../../src/domain/accounts/email-verification.ts'
import { createInvitations } from '../../src/domain/accounts/invitations.ts'
import { createMembers } from '../../src/domain/accounts/members.ts'
import { createOrganizations } from '../../src/domain/accounts/organizations.ts'
import type { Authenticator } from '../../src/domain/accounts/principal.ts'
import { createTrials, type Trials } from '../../src/domain/credits/trial.ts'
import type { Mailer } from '../../src/domain/mail/mailer.ts'
import { createRateLimits, type RateLimitOptions } from '../../src/http/rate-limit.ts'
import { registerApiKeyRoutes } from '../../src/http/routes/api-keys.ts'
import { registerAuthRoutes } from '../../src/http/routes/auth.ts'
import { registerOrganizationRoutes } from '../../src/http/routes/organizations.ts'
import { createServer, type Server } from '../../src/http/server.ts'
import { openLog } from '../../src/telemetry/log.ts'
import { createTestClock, type TestClock } from './clock.ts'
import { createTestDatabase, type TestDatabase } from './database.ts'
import { testSecret } from './secret.ts'

export const testPassword = 'correct horse battery'

export interface TestPerson extends LogIn {
  /** Of the personal organization. */
  organizationId: string
  headers: { authorization: string }
}

export interface TestAccounts {
  app: Server
  database: TestDatabase
  clock: TestClock
  accounts: Accounts
  trials: Trials
  authenticator: Authenticator
  /** Signs a new person up; each call is another one. */
  person(name?: string): Promise<TestPerson>
  close(): Promise<void>
}

export interface TestAccountsOptions {
  publicUrl?: string
  rateLimits?: Partial<RateLimitOptions>
  /** None: then no address has to be confirmed. */
  mailer?: Mailer
  trialCredits?: number
}

const unlimited = { attemptsMax: 1_000_000, seconds: 60 }

/** Accounts, organizations and API keys with their routes, on a database of the test's own. */
export async function createTestAccounts(options: TestAccountsOptions = {}): Promise<TestAccounts> {
  const database = await createTestDatabase()
  const clock = createTestClock()
  const publicUrl = () => options.publicUrl ?? 'http://127.0.0.1:7300'
  const identity = await createIdentity({ database, secret: testSecret })
  const trials = createTrials({ database, secret: testSecret, credits: options.trialCredits ?? 500 })
  const emailVerification = createEmailVerification({
    database,
    clock,
    mailer: options.mailer,
    trials,
    publicUrl,
    onError: () => undefined,
  })
  const accounts = createAccounts({
    database,
    identity,
    secret: testSecret,
    clock,
    trials,
    emailVerification,
  })
  const authenticator = createAuthenticator({ database, secret: testSecret, clock })
  const rateLimits = createRateLimits({
    database,
    limits: {
      logInPerAddress: unlimited,
      logInPerEmail: unlimited,
      signUpPerAddress: unlimited,
      verifyPerAddress: unlimited,
      ...options.rateLimits,
    },
  })
  const app = await createServer({ log: openLog('silent'), version: '0.0.0' })
  registerAuthRoutes(app, { authenticator, accounts, emailVerification, rateLimits, publicUrl })
  registerOrganizationRoutes(app, {
    authenticator,
    organizations: createOrganizations({ database, clock }),
    members: createMembers({ database, clock }),
    invitations: createInvitations({ database, clock }),
    publicUrl,
  })
  registerApiKeyRoutes(app, { authenticator, apiKeys: createApiKeys({ database, clock }) })
  await app.ready()

  let people = 0
  return {
    app,
    database,
    clock,
    accounts,
    trials,
    authenticator,
    person: async (name = 'Ada Lovelace') => {
      people += 1
      const logIn = await accounts.signUp({
        email: `person-${people}@example.com`,
        password: testPassword,
        name,
      })
      const authorization = `Bearer ${logIn.accessToken}`
      const { organizationId } = await authenticator.authenticate({
        authorization,
        organizationId: undefined,
      })
      return { ...logIn, organizationId, headers: { authorization } }
    },
    close: async () => {
      await app.close()
      await database.drop()
    },
  }
}
