import { type Access, openAccess } from './access.ts'
import { openAccounts } from './accounts.ts'
import { type Addresses, addressesOf } from './addresses.ts'
import { type Alerts, openAlerts } from './alerts.ts'
import { openBackups } from './backups.ts'
import { systemClock as clock } from './clock.ts'
import { dockerSettings, planDiskBytes, planLimits } from './compute/docker/settings.ts'
import { openDrivers } from './compute/registry.ts'
import type { Config } from './config.ts'
import { type Credits, openCredits } from './credits.ts'
import type { Database } from './db/database.ts'
import type { Listener } from './db/listen.ts'
import { createAuthenticator } from './domain/accounts/authenticator.ts'
import type { Authenticator } from './domain/accounts/principal.ts'
import { noticesOfAlarms } from './domain/backups/alarms.ts'
import { createArchive } from './domain/backups/archive.ts'
import type { Backups } from './domain/backups/create.ts'
import type { Resolver } from './domain/domains/resolver.ts'
import { createEgress } from './domain/egress/service.ts'
import { createInstances, type Instances } from './domain/instances/create.ts'
import type { ComputeDrivers } from './domain/instances/drivers.ts'
import { createOperators } from './domain/operators/operators.ts'
import { attachGates, type Gates } from './gate/gates.ts'
import { registerDashboard } from './http/dashboard.ts'
import { listenBeside } from './http/listen-beside.ts'
import type { RateLimitOptions } from './http/rate-limit.ts'
import { registerEgressRoutes } from './http/routes/egress.ts'
import { registerInstanceRoutes } from './http/routes/instances.ts'
import { registerOperationsRoutes } from './http/routes/operations.ts'
import { registerSessionRoutes } from './http/routes/sessions.ts'
import { registerVisitRoutes } from './http/routes/visits.ts'
import { createServer, type Server } from './http/server.ts'
import { attachUpgrades } from './http/upgrades.ts'
import { idleSettings } from './idle-settings.ts'
import { newId } from './ids.ts'
import { type IngressPlan, ingressNotices, ingressPlan } from './ingress.ts'
import { attachLink, type Link } from './link/link.ts'
import { type ModelCatalogue, modelCatalogue } from './models/catalogue.ts'
import { registerModelGateway } from './models/gateway.ts'
import { createProviders } from './models/providers.ts'
import { openPayments, type PaymentArea } from './payments.ts'
import type { ListeningPorts } from './ports.ts'
import { instanceOrigin } from './proxy/address.ts'
import { createProxy, type ProxyListener } from './proxy/proxy.ts'
import { createVisits, type Visits } from './proxy/visits.ts'
import { attachRealtime, type Realtime } from './realtime/realtime.ts'
import type { RootSecret } from './secrets.ts'
import { modelKeys } from './slot-key.ts'
import { readReefVersion, readSpecVersion } from './software-version.ts'
import type { Logger } from './telemetry/log.ts'
import { createMetrics, type Metrics } from './telemetry/metrics.ts'

/** One running control plane; several may share a database. */
export interface ControlPlane {
  readonly url: string
  readonly proxyUrl: string
  /** What the Caddy in front is to know, where one is asked for. */
  readonly ingress: IngressPlan | undefined
  readonly server: Server
  readonly instances: Instances
  readonly drivers: ComputeDrivers
  /** Opens both listeners and starts reconciling. */
  listen(): Promise<void>
  /** What the operator should know, one sentence each. */
  notices(): Promise<string[]>
  /** Stops listening and reconciling; with `stopMachines` the machines of the current driver too. */
  close(options: { stopMachines: boolean }): Promise<void>
}

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

/** How long a supervisor lets turns finish when its instance is stopped. */
const drainGraceSeconds = 15

/** The only file that knows every concrete part: makes them and hands each what it needs. Nothing runs before `listen`. */
export async function compose(options: ComposeOptions): Promise<ControlPlane> {
  const core = await openCore(options)
  const { server, link, gates, realtime, backups, payments } = await openApi(core)
  const proxy = openProxy(core)
  const { config, ports, log } = options
  let closeBeside: (() => void) | undefined

  return {
    url: core.urls.public,
    proxyUrl: core.urls.proxy,
    ingress: ingressPlan(config, core.urls, ports, options.secret),
    server,
    instances: core.instances,
    drivers: core.drivers,
    listen: async () => {
      await server.listen({ host: config.REEF_HOST, port: ports.api })
      closeBeside = await listenBeside(server.server, await addressesBeside(core), ports.api)
      await proxy.listen(config.REEF_HOST, ports.proxy)
      await core.alerts.start()
      await core.instances.reconciler.start()
      core.access.start()
      backups.worker.start()
      core.credits.start(core.instances.reconciler.settle)
      payments.start()
    },
    notices: async () => [...(await noticesOf(core)), ...(await payments.notices())],
    close: async ({ stopMachines }) => {
      const backupsEnded = backups.worker.stop()
      const paymentsEnded = payments.stop()
      await core.instances.reconciler.stop()
      // While links and the model gateway still answer, so that supervisors drain as they would on a person's stop.
      if (stopMachines) {
        await core.instances.reconciler.stopAllMachines()
        await core.drivers.current
          .rest?.()
          .catch((error) => log.warn({ err: error }, 'the driver did not rest'))
      }
      await core.access.stop()
      await core.alerts.stop()
      await realtime.close()
      await gates.close()
      await link.close()
      // Whatever it waited for of a supervisor has just ended.
      await backupsEnded
      await paymentsEnded
      await proxy.close()
      closeBeside?.()
      await server.close()
      await core.instances.close()
      // Last, so that what was spent until now is anchored.
      await core.credits.stop()
    },
  }
}

/** What the listeners share. */
interface Core {
  options: ComposeOptions
  urls: Addresses
  version: string
  nodeId: string
  database: Database
  listener: Listener
  metrics: Metrics
  authenticator: Authenticator
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

async function openCore(options: ComposeOptions): Promise<Core> {
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

/** Dashboard, API, model gateway, links and browsers' WebSockets: one listener. */
async function openApi(core: Core): Promise<{
  server: Server
  link: Link
  gates: Gates
  realtime: Realtime
  backups: Backups
  payments: PaymentArea
}> {
  const { options, urls, database, listener, authenticator, instances, catalogue } = core
  const { config, secret, log } = options
  const server = await createServer({ log, version: core.version, fronts: core.access.fronts })
  const upgrades = attachUpgrades(server.server)
  const link = attachLink({
    upgrades,
    database,
    listener,
    nodeId: core.nodeId,
    log,
    leaseSeconds: config.LEASE_SECONDS,
    desired: {
      secret,
      graceSeconds: drainGraceSeconds,
      diskBytesMax: planDiskBytes(config),
      modelBaseUrl: () => '/models/v1',
      models: () => catalogue,
      modelKey: (slotId) => modelKeys.of(secret, slotId),
      origins: (slug) => [core.originOf(slug)],
      customOrigin: core.access.customOrigin,
      secrets: core.access.secretDelivery,
    },
  })
  const gates = attachGates({
    upgrades,
    database,
    listener,
    secret,
    log,
    openPermitted: config.REEF_EGRESS_OPEN,
  })
  const realtime = attachRealtime({
    upgrades,
    authenticator,
    instances: instances.service,
    logs: link.logs,
    listener,
    allowedOrigins: () => urls.dashboardOrigins,
  })
  await openAccounts(server, {
    database,
    secret,
    clock,
    authenticator,
    drivers: core.drivers,
    instances: instances.service,
    publicUrl: urls.public,
    poolSize: config.POOL_SIZE,
    rateLimits: options.rateLimits,
    trials: core.alerts.trials,
    mailer: core.alerts.mailer,
    log,
  })
  registerInstanceRoutes(server, { authenticator, instances: instances.service, logs: link.logs })
  registerSessionRoutes(server, { authenticator, sessions: instances.sessions })
  core.access.registerRoutes(server, { authenticator, targets: instances.targets })
  core.alerts.registerRoutes(server, { authenticator })
  core.credits.registerRoutes(server, { authenticator })
  const backups = await openBackups(server, {
    config,
    database,
    secret,
    box: core.access.secretBox,
    calls: link.calls,
    instances: instances.service,
    slots: {
      driver: core.drivers.current.name,
      specVersion: core.specVersion,
    },
    authenticator,
    clock,
    log,
  })
  core.onBackups(backups)
  const payments = await openPayments(server, {
    config,
    database,
    listener,
    authenticator,
    operators: createOperators(database),
    clock,
    log,
    publicUrl: urls.public,
  })
  registerEgressRoutes(server, {
    authenticator,
    egress: createEgress({
      database,
      instances: instances.service,
      drivers: core.drivers,
      openPermitted: config.REEF_EGRESS_OPEN,
    }),
  })
  registerVisitRoutes(server, { authenticator, visits: core.visits })
  await registerModelGateway(server, {
    secret,
    callers: instances.callers,
    catalogue,
    providers: createProviders(config, { clock }),
    meter: core.credits.meter,
    clock,
  })
  registerOperationsRoutes(server, {
    database,
    metrics: core.metrics,
    metricsToken: config.REEF_METRICS_TOKEN,
    info: () => ({
      version: core.version,
      proxyUrl: urls.proxy,
      driver: { name: core.drivers.current.name, isolation: core.drivers.current.capabilities.isolation },
      demo: catalogue.demo,
      model: catalogue.primary,
    }),
  })
  await registerDashboard(server, {
    directory: options.dashboardDirectory,
    connectTo: () => [urls.proxy, urls.public.replace(/^http/, 'ws')],
  })
  return { server, link, gates, realtime, backups, payments }
}

function openProxy(core: Core): ProxyListener {
  const { config, secret, log } = core.options
  return createProxy({
    authenticator: core.authenticator,
    targets: core.instances.targets,
    attendance: core.instances.attendance,
    visits: core.visits,
    secret,
    clock,
    log,
    domain: config.REEF_DOMAIN,
    publicUrl: core.urls.proxy,
    dashboardUrl: core.urls.public,
    fronts: core.access.fronts,
    findCustomSlug: core.access.customNames.findSlug,
    dashboardOrigins: core.urls.dashboardOrigins,
    localOpenclaw: config.REEF_LOCAL_OPENCLAW
      ? { url: config.REEF_LOCAL_OPENCLAW, token: config.REEF_LOCAL_OPENCLAW_TOKEN }
      : undefined,
    onRequest: ({ route, status, seconds }) => core.metrics.observeProxy(route, status, seconds),
  })
}

/** Where only slots can reach this control plane, which otherwise listens on the loopback; a wildcard covers them all. */
async function addressesBeside({ drivers, options }: Core): Promise<string[]> {
  if (['0.0.0.0', '::'].includes(options.config.REEF_HOST)) return []
  return (await drivers.current.listenAddresses?.()) ?? []
}

async function noticesOf(core: Core): Promise<string[]> {
  const problems = (await core.drivers.current.preflight()).filter((check) => !check.ok)
  return [
    ...(core.catalogue.demo
      ? ['The built-in demo model answers. For a real one: OPENAI_API_KEY=sk-... npm start']
      : []),
    ...ingressNotices(core.options, core.urls),
    ...(core.drivers.current.capabilities.isolation === 'none'
      ? ['Instances run as processes of this machine, isolated from nothing: for yourself only.']
      : []),
    ...problems.map((check) => `${check.name}: ${check.detail}`),
    ...(await noticesOfAlarms(core.database)),
    ...(await core.credits.notices()),
  ]
}
