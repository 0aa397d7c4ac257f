import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { IngressPlan } from '../../ingress.ts'

const templates = fileURLToPath(new URL('../../../deploy/caddy', import.meta.url))

/** Where everything of the ingress lies within the data directory. */
export function ingressDirectory(dataDirectory: string): string {
  return join(dataDirectory, 'caddy')
}

/** Writes Caddy's configuration, which holds the token and so is for the owner's eyes only. Returns its path. */
export async function writeIngressConfig(plan: IngressPlan, askPort: number): Promise<string> {
  const directory = ingressDirectory(plan.dataDirectory)
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const main = await readFile(join(templates, 'Caddyfile'), 'utf8')
  const tls = await readFile(join(templates, `tls-${plan.tls.kind}.caddy`), 'utf8')
  const whole = main.replace('import tls-{$REEF_INGRESS_TLS:acme}.caddy', tls.trim())
  const path = join(directory, 'Caddyfile')
  await writeFile(path, fillIn(whole, variablesOf(plan, askPort)), { mode: 0o600 })
  return path
}

function variablesOf(plan: IngressPlan, askPort: number): Record<string, string> {
  const { tls } = plan
  return {
    REEF_DASHBOARD_HOST: plan.dashboardHost,
    REEF_DOMAIN: plan.domain,
    REEF_API_UPSTREAM: plan.apiUpstream,
    REEF_PROXY_UPSTREAM: plan.proxyUpstream,
    REEF_INGRESS_TOKEN: plan.token,
    REEF_INGRESS_HOST: plan.host || '""',
    REEF_INGRESS_HTTP_PORT: String(plan.httpPort),
    REEF_INGRESS_HTTPS_PORT: String(plan.httpsPort),
    REEF_INGRESS_PORT_SUFFIX: plan.httpsPort === 443 ? '' : `:${plan.httpsPort}`,
    REEF_INGRESS_ASK_PORT: String(askPort),
    REEF_ACME_EMAIL: plan.acmeEmail ?? '',
    REEF_TLS_CERTIFICATE: tls.kind === 'files' ? quoted(tls.certificate) : '',
    REEF_TLS_KEY: tls.kind === 'files' ? quoted(tls.key) : '',
    REEF_CADDY_STORAGE: quoted(join(ingressDirectory(plan.dataDirectory), 'storage')),
  }
}

/** As Caddy itself would do from its environment, where the token would be for all to see who may see the process. */
export function fillIn(text: string, variables: Record<string, string>): string {
  return text.replace(/\{\$([A-Z0-9_]+)(?::([^}]*))?\}/g, (_, name: string) => {
    const value = variables[name]
    if (value === undefined) throw new Error(`The Caddyfile wants ${name}, which nobody gives.`)
    return value
  })
}

/** Caddy takes a text between backticks as it is. */
function quoted(text: string): string {
  return `\`${text}\``
}
