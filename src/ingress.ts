import { existsSync } from 'node:fs'
import { isIP } from 'node:net'
import { join } from 'node:path'
import type { Config } from './config.ts'
import type { ListeningPorts } from './ports.ts'
import type { RootSecret } from './secrets.ts'

/** What a Caddy in front of this Reef has to know. */
export interface IngressPlan {
  dashboardHost: string
  domain: string
  /** HOST:PORT of Reef's two listeners. */
  apiUpstream: string
  proxyUpstream: string
  /** By which Reef knows this Caddy; see `fronts.ts`. */
  token: string
  /** Address to listen on; empty for all. */
  host: string
  httpPort: number
  httpsPort: number
  tls: IngressTls
  acmeEmail: string | undefined
  dataDirectory: string
}

export type IngressTls =
  | { kind: 'internal' }
  | { kind: 'acme' }
  | { kind: 'files'; certificate: string; key: string }

export function ingressToken(config: Config, secret: RootSecret): string {
  return config.REEF_INGRESS_TOKEN ?? secret.deriveToken('ingress', 'caddy')
}

/** Undefined when no Caddy is asked for. Throws with what to set when the settings do not go together. */
export function ingressPlan(
  config: Config,
  urls: { public: string },
  ports: ListeningPorts,
  secret: RootSecret,
): IngressPlan | undefined {
  if (config.REEF_INGRESS !== 'caddy') return undefined
  const listening =
    config.REEF_HOST === '0.0.0.0' || config.REEF_HOST === '::' ? '127.0.0.1' : config.REEF_HOST
  const upstream = (port: number) => `${isIP(listening) === 6 ? `[${listening}]` : listening}:${port}`
  return {
    dashboardHost: new URL(urls.public).hostname,
    domain: config.REEF_DOMAIN,
    apiUpstream: upstream(ports.api),
    proxyUpstream: upstream(ports.proxy),
    token: ingressToken(config, secret),
    // Names of this machine alone have no business on its network.
    host: config.REEF_INGRESS_HOST ?? (isLocalDomain(config.REEF_DOMAIN) ? '127.0.0.1' : ''),
    httpPort: config.REEF_INGRESS_HTTP_PORT,
    httpsPort: config.REEF_INGRESS_HTTPS_PORT,
    tls: tlsOf(config),
    acmeEmail: config.REEF_ACME_EMAIL,
    dataDirectory: config.REEF_DATA_DIR,
  }
}

/** What the operator should know. */
export function ingressNotices(
  { config, ports, secret }: { config: Config; ports: ListeningPorts; secret: RootSecret },
  urls: { public: string },
): string[] {
  const plan = ingressPlan(config, urls, ports, secret)
  if (plan?.tls.kind !== 'internal') return []
  const root = join(plan.dataDirectory, 'caddy/storage/pki/authorities/local/root.crt')
  return [`Certificates come from a private authority: browsers believe them once they trust ${root}`]
}

/** Where people reach Reef through the ingress. */
export function ingressUrl(config: Config): string | undefined {
  if (config.REEF_INGRESS !== 'caddy') return undefined
  const port = config.REEF_INGRESS_HTTPS_PORT
  return `https://${config.REEF_DOMAIN}${port === 443 ? '' : `:${port}`}`
}

function tlsOf(config: Config): IngressTls {
  const wanted = config.REEF_INGRESS_TLS ?? (isPrivateDomain(config.REEF_DOMAIN) ? 'internal' : 'acme')
  if (wanted === 'internal' || wanted === 'acme') return { kind: wanted }
  const [certificate = '', key = ''] = wanted.split(':')
  for (const file of [certificate, key])
    if (!existsSync(file))
      throw new Error(
        `REEF_INGRESS_TLS names ${file}, which does not exist. Give CERTIFICATE.pem:KEY.pem with whole paths.`,
      )
  return { kind: 'files', certificate, key }
}

function isLocalDomain(domain: string): boolean {
  return domain === 'localhost' || domain.endsWith('.localhost')
}

/** Names for which no public authority gives a certificate (RFC 6761, RFC 8375, ICANN's .internal). */
function isPrivateDomain(domain: string): boolean {
  return isLocalDomain(domain) || /\.(test|internal|local|home\.arpa)$/.test(domain)
}
