import { createIdentity } from '../adapters/identity/better-auth.ts'
import type { Clock } from '../clock.ts'
import type { Database } from '../db/database.ts'
import { createAccounts } from '../domain/accounts/accounts.ts'
import { createApiKeys } from '../domain/accounts/api-keys.ts'
import { createEmailVerification } from '../domain/accounts/email-verification.ts'
import { createInvitations } from '../domain/accounts/invitations.ts'
import { createMembers } from '../domain/accounts/members.ts'
import { createOrganizations } from '../domain/accounts/organizations.ts'
import type { Authenticator } from '../domain/accounts/principal.ts'
import type { Trials } from '../domain/credits/trial.ts'
import { createHosts } from '../domain/hosts/hosts.ts'
import type { ComputeDrivers } from '../domain/instances/drivers.ts'
import type { InstanceService } from '../domain/instances/service.ts'
import type { Mailer } from '../domain/mail/mailer.ts'
import { createOperators } from '../domain/operators/operators.ts'
import { createOverviews } from '../domain/operators/overview.ts'
import { createRateLimits, type RateLimitOptions } from '../http/rate-limit.ts'
import { registerAdminRoutes } from '../http/routes/admin.ts'
import { registerApiKeyRoutes } from '../http/routes/api-keys.ts'
import { registerAuthRoutes } from '../http/routes/auth.ts'
import { registerHostRoutes } from '../http/routes/hosts.ts'
import { registerMeRoutes } from '../http/routes/me.ts'
import { registerOrganizationRoutes } from '../http/routes/organizations.ts'
import type { Server } from '../http/server.ts'
import type { RootSecret } from '../secrets.ts'
import type { Logger } from '../telemetry/log.ts'

interface AccountsDeps {
  database: Database
  secret: RootSecret
  clock: Clock
  authenticator: Authenticator
  drivers: ComputeDrivers
  instances: InstanceService
  publicUrl: string
  poolSize: number
  rateLimits: RateLimitOptions | undefined
  trials: Trials
  mailer: Mailer | undefined
  log: Logger
}

/** People, organizations, keys and who operates this Reef. */
export async function openAccounts(server: Server, deps: AccountsDeps): Promise<void> {
  const { database, authenticator, secret, clock, drivers, instances } = deps
  const identity = await createIdentity({ database, secret })
  const publicUrl = () => deps.publicUrl
  const emailVerification = createEmailVerification({
    database,
    clock,
    mailer: deps.mailer,
    trials: deps.trials,
    publicUrl,
    onError: (error) => deps.log.warn({ err: error }, 'a mail to a new address could not be sent'),
  })
  const accounts = createAccounts({
    database,
    identity,
    secret,
    clock,
    trials: deps.trials,
    emailVerification,
  })
  const rateLimits = createRateLimits({
    database,
    ...(deps.rateLimits ? { limits: deps.rateLimits } : {}),
  })
  registerAuthRoutes(server, { authenticator, accounts, emailVerification, rateLimits, publicUrl })
  registerOrganizationRoutes(server, {
    authenticator,
    organizations: createOrganizations({ database, clock }),
    members: createMembers({ database, clock }),
    invitations: createInvitations({ database, clock }),
    publicUrl,
  })
  registerApiKeyRoutes(server, { authenticator, apiKeys: createApiKeys({ database, clock }) })
  const operators = createOperators(database)
  registerMeRoutes(server, { authenticator, accounts, instances, operators, emailVerification })
  registerAdminRoutes(server, {
    authenticator,
    operators,
    overviews: createOverviews({ database, drivers, poolSize: deps.poolSize }),
  })
  registerHostRoutes(server, {
    authenticator,
    operators,
    hosts: createHosts({ database, drivers }),
  })
}
