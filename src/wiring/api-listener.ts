import { systemClock as clock } from '../clock.ts'
import { planDiskBytes } from '../compute/docker/settings.ts'
import type { Backups } from '../domain/backups/create.ts'
import { createEgress } from '../domain/egress/service.ts'
import { createOperators } from '../domain/operators/operators.ts'
import { attachGates, type Gates } from '../gate/gates.ts'
import { registerDashboard } from '../http/dashboard.ts'
import { registerEgressRoutes } from '../http/routes/egress.ts'
import { registerInstanceRoutes } from '../http/routes/instances.ts'
import { registerOperationsRoutes } from '../http/routes/operations.ts'
import { registerSessionRoutes } from '../http/routes/sessions.ts'
import { registerVisitRoutes } from '../http/routes/visits.ts'
import { createServer, type Server } from '../http/server.ts'
import { attachUpgrades } from '../http/upgrades.ts'
import { attachLink, type Link } from '../link/link.ts'
import { registerModelGateway } from '../models/gateway.ts'
import { createProviders } from '../models/providers.ts'
import { attachRealtime, type Realtime } from '../realtime/realtime.ts'
import { modelKeys } from '../slot-key.ts'
import { openAccounts } from './accounts.ts'
import { openBackups } from './backups.ts'
import type { Core } from './core.ts'
import { openPayments, type PaymentArea } from './payments.ts'

/** How long a supervisor lets turns finish when its instance is stopped. */
const drainGraceSeconds = 15

/** Dashboard, API, model gateway, links and browsers' WebSockets: one listener. */
export async function openApi(core: Core): Promise<{
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
