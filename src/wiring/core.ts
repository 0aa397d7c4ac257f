import { type Addresses, addressesOf } from '../addresses.ts'
import { systemClock as clock } from '../clock.ts'
import { dockerSettings, planLimits } from '../compute/docker/settings.ts'
import { openDrivers } from '../compute/registry.ts'
import type { Config } from '../config.ts'
import type { Database } from '../db/database.ts'
import type { Listener } from '../db/listen.ts'
import { createAuthenticator } from '../domain/accounts/authenticator.ts'
import type { Authenticator, LogIns } from '../domain/accounts/principal.ts'
import { createArchive } from '../domain/backups/archive.ts'
import type { Backups } from '../domain/backups/create.ts'
import type { Resolver } from '../domain/domains/resolver.ts'
import { createInstances, type Instances } from '../domain/instances/create.ts'
import type { ComputeDrivers } from '../domain/instances/drivers.ts'
import type { RateLimitOptions } from '../http/rate-limit.ts'
import { idleSettings } from '../idle-settings.ts'
import { newId } from '../ids.ts'
import { type ModelCatalogue, modelCatalogue } from '../models/catalogue.ts'
import type { ListeningPorts } from '../ports.ts'
import { instanceOrigin } from '../proxy/address.ts'
import { createVisits, type Visits } from '../proxy/visits.ts'
import type { RootSecret } from '../secrets.ts'
import { readReefVersion, readSpecVersion } from '../software-version.ts'
import type { Logger } from '../telemetry/log.ts'
import { createMetrics, type Metrics } from '../telemetry/metrics.ts'
import { type Access, openAccess } from './access.ts'
import { type Alerts, openAlerts } from './alerts.ts'
import { type Credits, openCredits } from './credits.ts'

export interface ComposeOptions {
  config: Config
  secret: RootSecret
  /** The caller's to close, after the control plane. */
  database: Database
  listener: Listener
  ports: ListeningPorts
  log: Logger
  /** The built dashboard. */
  dashboardDirectory: string
  /** Tests give a DNS of their own. */
  resolver?: Resolver
  /** Tests lift these. */
  rateLimits?: RateLimitOptions
}

/** What the listeners share. */
export interface Core {
  options: ComposeOptions
  urls: Addresses
  version: string
  nodeId: string
  database: Database
  listener: Listener
  metrics: Metrics
  authenticator: Authenticator & LogIns
  drivers: ComputeDrivers
  /** What new slots are made of. */
  specVersion: string
  catalogue: ModelCatalogue
  instances: Instances
  /** Once they are there. */
  onBackups(backups: Backups): void
  visits: Visits
  access: Access
  alerts: Alerts
  credits: Credits
  originOf(slug: string): string
}

/** What stands behind the listeners. */
export async function openCore(options: ComposeOptions): Promise<Core> {
  const { config, secret, log, database, listener } = options
  const urls = addressesOf(config, options.ports)
  const nodeId = newId()
  const catalogue = modelCatalogue(config)
  const drivers = await openDrivers(
    {
      dataDirectory: config.REEF_DATA_DIR,
      secret,
      database,
      listener,
      log,
      docker: dockerSettings(config, urls.internal),
    },
    config.REEF_DRIVER,
  )
  const specVersion = (await drivers.current.specVersion?.()) ?? (await readSpecVersion())
  const originOf = (slug: string) => instanceOrigin(urls.proxy, config.REEF_DOMAIN, slug)
  // Backups need the link, which is opened after the instances.
  const backUpBeforeUpgrade = Promise.withResolvers<Backups['backUpBeforeUpgrade']>()
  const credits = await openCredits({ ...options, publicUrl: urls.public })
  const instances = createInstances({
    database,
    listener,
    secret,
    log,
    nodeId,
    internalUrl: urls.internal,
    drivers,
    plan: {
      specVersion,
      linkUrl: `${urls.internal.replace(/^http/, 'ws')}/link`,
      limits: planLimits(config),
    },
    poolSize: config.POOL_SIZE,
    multiUser: config.REEF_PROCESS_DRIVER_MULTI_USER !== 'no',
    addressOf: originOf,
    archive: createArchive({ hasRemote: config.REEF_BACKUP_S3_BUCKET !== undefined }),
    backUpBeforeUpgrade: async (instanceId) => (await backUpBeforeUpgrade.promise)(instanceId),
    idle: idleSettings(config),
    launchCredits: credits.launch,
    limits: { upgradePatienceSeconds: config.REEF_UPGRADE_PATIENCE_SECONDS },
  })
  return {
    options,
    urls,
    version: await readReefVersion(),
    nodeId,
    database,
    listener,
    metrics: createMetrics(database),
    authenticator: createAuthenticator({ database, secret, clock }),
    drivers,
    specVersion,
    catalogue,
    instances,
    onBackups: (backups) => backUpBeforeUpgrade.resolve(backups.backUpBeforeUpgrade),
    visits: createVisits({
      database,
      targets: instances.targets,
      clock,
      domain: config.REEF_DOMAIN,
      proxyPublicUrl: urls.proxy,
    }),
    access: await openAccess({ ...options, urls, clock }),
    alerts: await openAlerts({ config, secret, database, listener, log, publicUrl: urls.public }),
    credits,
    originOf,
  }
}
