import { systemClock as clock } from '../clock.ts'
import { createProxy, type ProxyListener } from '../proxy/proxy.ts'
import type { Core } from './core.ts'

/** Everything that goes to instances: the second listener. */
export function openProxy(core: Core): ProxyListener {
  const { config, secret, log } = core.options
  return createProxy({
    authenticator: core.authenticator,
    logIns: core.authenticator,
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
