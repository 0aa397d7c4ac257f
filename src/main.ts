import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Config } from './config.ts'
import { readSecretFile, takeDataDirectory } from './data-directory.ts'
import { openDatabase } from './db/database.ts'
import { startEmbeddedPostgres } from './db/embedded.ts'
import { openListener } from './db/listen.ts'
import { migrate } from './db/migrate.ts'
import { loginUrl } from './db/roles.ts'
import type { IngressPlan } from './ingress.ts'
import { choosePorts } from './ports.ts'
import { openRootSecret } from './secrets.ts'
import { openLog } from './telemetry/log.ts'
import { type ControlPlane, compose } from './wiring/compose.ts'

/** One step of starting, reported twice: when it starts and when it is done. */
export interface StartProgress {
  name: string
  state: 'start' | 'done'
  detail?: string
}

export interface RunningReef {
  url: string
  proxyUrl: string
  /** Set when a Caddy is to run in front; whoever starts Reef starts it too. */
  ingress?: IngressPlan | undefined
  /** What the operator should know, one sentence each. */
  notices: string[]
  /** Stops listening, lets work in flight finish, then the private database. Never throws. */
  stop(): Promise<void>
}

/**
 * Starts a control plane: data directory, database, migrations, listeners, reconcilers. Whatever was already started is
 * stopped again when a later step fails. Throws an Error whose message says what to do.
 */
export async function startReef(
  config: Config,
  onProgress: (progress: StartProgress) => void,
): Promise<RunningReef> {
  const undo: (() => Promise<unknown>)[] = []
  const stop = async (): Promise<void> => {
    // In reverse: nothing loses what it still needs while it stops.
    for (const step of undo.splice(0).reverse()) await step().catch(() => undefined)
  }
  const during = async <T>(
    name: string,
    work: () => Promise<T>,
    detail?: (result: T) => string,
  ): Promise<T> => {
    onProgress({ name, state: 'start' })
    const result = await work()
    onProgress({ name, state: 'done', ...(detail ? { detail: detail(result) } : {}) })
    return result
  }
  try {
    const directory = await takeDataDirectory(config.REEF_DATA_DIR)
    undo.push(() => directory.release())
    const log = openLog(config.REEF_LOG_LEVEL, join(directory.path, 'reef.log'))
    const secret = openRootSecret(
      config.REEF_SECRET ? Buffer.from(config.REEF_SECRET) : await readSecretFile(directory.path),
    )
    const ownerUrl = await during('Database', async () => {
      if (config.DATABASE_URL) return config.DATABASE_URL
      const postgres = await startEmbeddedPostgres(directory.path, (error) =>
        error
          ? log.error({ err: error }, 'the private PostgreSQL had died and does not start')
          : log.warn('the private PostgreSQL had died and was started again'),
      )
      undo.push(() => postgres.stop())
      return postgres.ownerUrl
    })
    await during(
      'Migrations',
      () => migrate(ownerUrl, secret),
      (ran) => (ran.length === 0 ? 'up to date' : `${ran.length} run`),
    )
    const ports = await choosePorts(directory.path, {
      host: config.REEF_HOST,
      api: config.REEF_PORT,
      proxy: config.REEF_PROXY_PORT,
    })
    const databaseUrl = loginUrl(ownerUrl, secret)
    const database = openDatabase({
      url: databaseUrl,
      onIdleError: (error) => log.warn({ err: error }, 'an idle database connection ended'),
    })
    undo.push(() => database.close())
    const listener = openListener({
      url: databaseUrl,
      onError: (error) => log.warn({ err: error }, 'the listening database connection ended'),
    })
    undo.push(() => listener.close())
    const controlPlane: ControlPlane = await during('Control plane', () =>
      compose({
        config,
        secret,
        database,
        listener,
        ports,
        log,
        dashboardDirectory: fileURLToPath(new URL('../web/dist', import.meta.url)),
      }),
    )
    // Without the private database this Reef is one of several control planes: what runs is the others' to adopt.
    const stopMachines = !config.DATABASE_URL && config.REEF_STOP_INSTANCES_ON_EXIT
    undo.push(() => controlPlane.close({ stopMachines }))
    await controlPlane.listen()
    directory.describe(controlPlane.url)
    const notices = await controlPlane.notices()
    return {
      url: controlPlane.url,
      proxyUrl: controlPlane.proxyUrl,
      ingress: controlPlane.ingress,
      notices,
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}
