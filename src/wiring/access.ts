import { createResolver } from '../adapters/dns/resolver.ts'
import { openSecretBox } from '../adapters/secret-box/open.ts'
import type { Addresses } from '../addresses.ts'
import type { Clock } from '../clock.ts'
import type { Config } from '../config.ts'
import type { Database } from '../db/database.ts'
import type { Listener } from '../db/listen.ts'
import type { Authenticator } from '../domain/accounts/principal.ts'
import { rewrapBackupKeys } from '../domain/backups/keys.ts'
import { createDomainChecker, type DomainChecker } from '../domain/domains/checker.ts'
import { type CustomNames, createCustomNames } from '../domain/domains/custom-names.ts'
import type { Resolver } from '../domain/domains/resolver.ts'
import { createServedNames } from '../domain/domains/served-names.ts'
import { createDomainService } from '../domain/domains/service.ts'
import { startDomainSweep } from '../domain/domains/sweep.ts'
import type { InstanceTargets } from '../domain/instances/target.ts'
import { createSecretDelivery, type SecretDelivery } from '../domain/secrets/delivery.ts'
import { rewrapSecrets } from '../domain/secrets/rewrap.ts'
import type { SecretBox } from '../domain/secrets/secret-box.ts'
import { createSecretService } from '../domain/secrets/service.ts'
import { createFronts, type Fronts } from '../fronts.ts'
import { registerDomainRoutes } from '../http/routes/domains.ts'
import { registerIngressRoutes } from '../http/routes/ingress.ts'
import { registerSecretRoutes } from '../http/routes/secrets.ts'
import type { Server } from '../http/server.ts'
import { ingressToken } from '../ingress.ts'
import { hostOrigin } from '../proxy/address.ts'
import type { RootSecret } from '../secrets.ts'
import type { Logger } from '../telemetry/log.ts'

/** How people and secrets get to instances: ingress, custom domains, secrets. */
export interface Access {
  readonly fronts: Fronts
  readonly customNames: CustomNames
  readonly secretBox: SecretBox
  readonly secretDelivery: SecretDelivery
  /** The origin at which a custom domain answers. */
  customOrigin(hostname: string): string
  registerRoutes(server: Server, deps: { authenticator: Authenticator; targets: InstanceTargets }): void
  /** What goes on in the background. */
  start(): void
  stop(): Promise<void>
}

export interface AccessOptions {
  config: Config
  secret: RootSecret
  database: Database
  listener: Listener
  urls: Addresses
  clock: Clock
  log: Logger
  /** Tests give a DNS of their own. */
  resolver?: Resolver | undefined
}

/** Makes the parts of the area; `compose` hands them on. */
export async function openAccess(options: AccessOptions): Promise<Access> {
  const { config, secret, database, listener, urls, clock, log } = options
  const secretBox = await openSecretBox(config.REEF_SECRETS_KEY_FILE, secret)
  const customNames = createCustomNames({ database, listener })
  const checker = createDomainChecker({
    database,
    resolver: options.resolver ?? createResolver(),
    clock,
    domain: config.REEF_DOMAIN,
  })
  const customOrigin = (hostname: string) => hostOrigin(urls.proxy, hostname)
  let sweep: { stop(): Promise<void> } | undefined

  return {
    fronts: createFronts({ token: ingressToken(config, secret), trusted: config.REEF_TRUSTED_PROXIES }),
    customNames,
    secretBox,
    secretDelivery: createSecretDelivery({
      database,
      box: secretBox,
      onUnusable: (error, { id }) => log.error({ err: error, secretId: id }, 'a secret cannot be opened'),
    }),
    customOrigin,
    registerRoutes: (server, deps) =>
      registerRoutes(server, { ...options, ...deps, checker, customNames, customOrigin, box: secretBox }),
    start: () => {
      sweep = startDomainSweep({
        checker,
        onError: (error) => log.warn({ err: error }, 'domains could not be looked up'),
      })
      void rewrapAll(database, secretBox, log)
    },
    stop: async () => {
      await sweep?.stop()
      customNames.close()
    },
  }
}

interface RouteParts extends AccessOptions {
  authenticator: Authenticator
  targets: InstanceTargets
  checker: DomainChecker
  customNames: CustomNames
  customOrigin(hostname: string): string
  box: SecretBox
}

function registerRoutes(server: Server, parts: RouteParts): void {
  const { config, secret, database, urls, clock, authenticator, targets, customNames } = parts
  const names = {
    domain: config.REEF_DOMAIN,
    own: new Set([urls.public, urls.proxy].map((url) => new URL(url).hostname)),
  }
  registerIngressRoutes(server, {
    names: createServedNames({
      ...names,
      slugExists: async (slug) => (await targets.findBySlug(slug)) !== undefined,
      isCustomDomain: async (hostname) => (await customNames.findSlug(hostname)) !== undefined,
    }),
  })
  registerSecretRoutes(server, {
    authenticator,
    secrets: createSecretService({ database, box: parts.box, secret }),
  })
  registerDomainRoutes(server, {
    authenticator,
    domains: createDomainService({
      database,
      checker: parts.checker,
      clock,
      names,
      originOf: parts.customOrigin,
    }),
  })
}

/** What is still under an older key opens all the same meanwhile. */
async function rewrapAll(database: Database, box: SecretBox, log: Logger): Promise<void> {
  const onUnusable = (error: unknown, id: string) =>
    log.error({ err: error, id }, 'a sealed value keeps an old key')
  const deps = { database, box, onUnusable }
  await Promise.all([rewrapSecrets(deps), rewrapBackupKeys(deps)]).catch((error) =>
    log.warn({ err: error }, 'sealed values were not brought under the newest key'),
  )
}
