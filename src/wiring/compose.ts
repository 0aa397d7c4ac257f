import { noticesOfAlarms } from '../domain/backups/alarms.ts'
import type { Instances } from '../domain/instances/create.ts'
import type { ComputeDrivers } from '../domain/instances/drivers.ts'
import { listenBeside } from '../http/listen-beside.ts'
import type { Server } from '../http/server.ts'
import { type IngressPlan, ingressNotices, ingressPlan } from '../ingress.ts'
import { openApi } from './api-listener.ts'
import { type ComposeOptions, type Core, openCore } from './core.ts'
import { openProxy } from './proxy-listener.ts'

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

/** Makes a control plane of all its parts; only this folder knows the concrete ones. Nothing runs before `listen`. */
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
