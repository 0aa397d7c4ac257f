import type { Config } from './config.ts'
import { ingressUrl } from './ingress.ts'
import type { ListeningPorts } from './ports.ts'

/** Where this control plane is reached, by whom. */
export interface Addresses {
  /** Of the dashboard and the API, as people reach them. */
  public: string
  /** Of the proxy, as people reach it. */
  proxy: string
  /** Of the API's listener, as instances and other control planes reach it. */
  internal: string
  dashboardOrigins: string[]
}

export function addressesOf(config: Config, ports: ListeningPorts): Addresses {
  const here = config.REEF_HOST === '0.0.0.0' || config.REEF_HOST === '::' ? '127.0.0.1' : config.REEF_HOST
  const host = here.includes(':') ? `[${here}]` : here
  const trimmed = (url: string) => url.replace(/\/+$/, '')
  const listening = `http://${host}:${ports.api}`
  const edge = ingressUrl(config)
  const publicUrl = trimmed(config.REEF_PUBLIC_URL ?? edge ?? listening)
  // On a laptop both names of the loopback address lead to the same dashboard.
  const loopback = here === '127.0.0.1' ? [`http://localhost:${ports.api}`, listening] : [listening]
  return {
    public: publicUrl,
    proxy: trimmed(config.REEF_PROXY_PUBLIC_URL ?? edge ?? `http://${host}:${ports.proxy}`),
    internal: trimmed(config.REEF_INTERNAL_URL ?? listening),
    dashboardOrigins: [...new Set([new URL(publicUrl).origin, ...loopback])],
  }
}
