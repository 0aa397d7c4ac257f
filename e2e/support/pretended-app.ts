import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { readConfig } from '../../src/config.ts'
import { openListener } from '../../src/db/listen.ts'
import { openLog } from '../../src/telemetry/log.ts'
import { type ControlPlane, compose } from '../../src/wiring/compose.ts'
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts'
import { freePort } from '../../test/support/free-port.ts'
import { testSecret } from '../../test/support/secret.ts'

/** A whole control plane with the built dashboard, on pretended machines: fast, and it can be put into any state. */
export interface PretendedApp extends ControlPlane {
  database: TestDatabase
  end(): Promise<void>
}

export async function startPretendedApp(environment: Record<string, string> = {}): Promise<PretendedApp> {
  const directory = await mkdtemp(join(tmpdir(), 'reef-pages-'))
  const database = await createTestDatabase()
  const listener = openListener({ url: database.loginUrl })
  const controlPlane = await compose({
    config: readConfig({
      REEF_DATA_DIR: directory,
      REEF_DRIVER: 'fake',
      POOL_SIZE: '0',
      ...environment,
    }),
    secret: testSecret,
    database,
    listener,
    ports: { api: await freePort(), proxy: await freePort() },
    log: openLog('silent'),
    dashboardDirectory: fileURLToPath(new URL('../../web/dist', import.meta.url)),
  })
  await controlPlane.listen()
  return {
    ...controlPlane,
    database,
    end: async () => {
      await controlPlane.close({ stopMachines: false })
      await listener.close()
      await database.drop()
      await rm(directory, { recursive: true, force: true })
    },
  }
}
