import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readConfig } from '../../src/config.ts'
import type { Database } from '../../src/db/database.ts'
import { openListener } from '../../src/db/listen.ts'
import { openLog } from '../../src/telemetry/log.ts'
import { type ControlPlane, compose } from '../../src/wiring/compose.ts'
import type { ComposeOptions } from '../../src/wiring/core.ts'
import { signUp, type TestClient } from './client.ts'
import { createTestDatabase, type TestDatabase } from './database.ts'
import { freePort } from './free-port.ts'
import { testSecret } from './secret.ts'

/** A whole control plane with both listeners on a database of its own, on pretended machines. */
export interface TestApp extends ControlPlane {
  database: TestDatabase
  /** Signs somebody up, with a personal organization. */
  person(email: string): Promise<TestClient>
  end(): Promise<void>
}

export interface TestAppOptions {
  environment?: Record<string, string>
  /** The DNS that domains are looked up in. */
  resolver?: ComposeOptions['resolver']
  /** Stands between the application and its database, to break one of the two. */
  wrapDatabase?(database: Database): Database
}

const unlimited = { attemptsMax: 100_000, seconds: 60 }

export async function startTestApp(options: TestAppOptions = {}): Promise<TestApp> {
  const directory = await mkdtemp(join(tmpdir(), 'reef-app-'))
  const database = await createTestDatabase()
  const listener = openListener({ url: database.loginUrl })
  const controlPlane = await compose({
    config: readConfig({
      REEF_DATA_DIR: directory,
      REEF_DRIVER: 'fake',
      POOL_SIZE: '2',
      ...options.environment,
    }),
    secret: testSecret,
    database: options.wrapDatabase?.(database) ?? database,
    listener,
    // Not the default ones: other tests start control planes at the same time.
    ports: { api: await freePort(), proxy: await freePort() },
    log: openLog('silent'),
    ...(options.resolver ? { resolver: options.resolver } : {}),
    dashboardDirectory: join(directory, 'dist'),
    rateLimits: {
      logInPerAddress: unlimited,
      logInPerEmail: unlimited,
      signUpPerAddress: unlimited,
      verifyPerAddress: unlimited,
    },
  })
  await controlPlane.listen()
  return {
    ...controlPlane,
    database,
    person: (email) => signUp(controlPlane.url, controlPlane.proxyUrl, email),
    end: async () => {
      await controlPlane.close({ stopMachines: false })
      await listener.close()
      await database.drop()
      await rm(directory, { recursive: true, force: true })
    },
  }
}
