import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Database } from '../db/database.ts'
import type { Listener } from '../db/listen.ts'
import { createHostRecords } from '../domain/hosts/hosts.ts'
import type { ComputeCapabilities, ComputeDriver } from '../domain/instances/compute.ts'
import type { ComputeDrivers } from '../domain/instances/drivers.ts'
import { gateToken } from '../gate/token.ts'
import type { RootSecret } from '../secrets.ts'
import type { Logger } from '../telemetry/log.ts'

/** What drivers are made from; each takes what it needs. */
export interface DriverContext {
  dataDirectory: string
  secret: RootSecret
  database: Database
  listener: Listener
  log: Logger
  docker?: DockerSettings
  /** The program that runs in each slot of the process driver, if not the supervisor itself. */
  supervisorEntry?: string
}

/** Settings of the Docker driver, as the configuration has them. */
interface DockerSettings {
  hosts: string
  certificatesDirectory: string | undefined
  image: string
  gateImage: string
  network: string
  /** Of the API, as other machines reach it. */
  controlUrl: string
}

interface Registered {
  isolation: ComputeCapabilities['isolation']
  load(context: DriverContext): Promise<ComputeDriver>
}

const supervisorEntry = fileURLToPath(new URL('../../supervisor/main.ts', import.meta.url))

/** Every driver, one line each; what it needs is loaded when it is first used. */
const registry = {
  process: { isolation: 'none', load: loadProcessDriver },
  docker: { isolation: 'container', load: loadDockerDriver },
  fake: { isolation: 'container', load: loadFakeDriver },
} satisfies Record<string, Registered>

export type DriverName = keyof typeof registry

async function loadProcessDriver(context: DriverContext): Promise<ComputeDriver> {
  const { createProcessDriver } = await import('./process/driver.ts')
  return createProcessDriver({
    directory: join(context.dataDirectory, 'slots'),
    reefId: reefId(context.secret),
    supervisorEntry: context.supervisorEntry ?? supervisorEntry,
  })
}

async function loadDockerDriver({ docker, secret, database }: DriverContext): Promise<ComputeDriver> {
  if (!docker) throw new Error('The Docker driver has no settings here.')
  const [{ createDockerDriver }, { parseHosts }] = await Promise.all([
    import('./docker/driver.ts'),
    import('./docker/host-address.ts'),
  ])
  return createDockerDriver({
    ...docker,
    reefId: reefId(secret),
    hosts: parseHosts(docker.hosts),
    records: createHostRecords(database, 'docker'),
    gateToken: (hostName) => gateToken(secret, hostName),
  })
}

async function loadFakeDriver(context: DriverContext): Promise<ComputeDriver> {
  const [{ createFakeDriver }, { createFakeMachines }, { createFakeLink }] = await Promise.all([
    import('./fake/driver.ts'),
    import('./fake/machines.ts'),
    import('./fake/link.ts'),
  ])
  const { onMachine } = createFakeLink({
    ...context,
    onError: (error) => context.log.warn({ err: error }, 'pretended link failed'),
  })
  return createFakeDriver({ machines: createFakeMachines(), bootMilliseconds: 2_000, onMachine })
}

/** Marks what drivers create as this Reef's. Follows from the root secret, so it stays the same over restarts. */
function reefId(secret: RootSecret): string {
  return secret.deriveKey('reef id').toString('hex').slice(0, 12)
}

/** Loads the current driver at once, so that what it lacks shows at the start, and others when a slot of theirs turns up. */
export async function openDrivers(context: DriverContext, current: DriverName): Promise<ComputeDrivers> {
  const loaded = new Map<string, Promise<ComputeDriver>>()
  const find = (name: string): Registered => {
    if (!Object.hasOwn(registry, name))
      throw new Error(
        `This version of Reef has no compute driver ${name}, but the database holds slots of it.`,
      )
    return registry[name as DriverName]
  }
  const get = (name: string): Promise<ComputeDriver> => {
    const known = loaded.get(name)
    if (known) return known
    const driver = find(name).load(context)
    loaded.set(name, driver)
    // A failed load is tried again at the next use.
    driver.catch(() => loaded.delete(name))
    return driver
  }
  return { current: await get(current), get, isolationOf: (name) => find(name).isolation }
}
