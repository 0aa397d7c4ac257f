import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readConfig } from '../src/config.ts'
import { openDatabase } from '../src/db/database.ts'
import { openListener } from '../src/db/listen.ts'
import { openRootSecret } from '../src/secrets.ts'
import { openLog } from '../src/telemetry/log.ts'
import { compose } from '../src/wiring/compose.ts'

/** The OpenAPI document as a Reef with default settings serves it. Nothing listens and no database is needed. */
export async function openapiDocument(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'reef-docs-'))
  // Nobody answers on this port, and nothing is asked.
  const url = 'postgres://nobody@127.0.0.1:1/none'
  const database = openDatabase({ url })
  const listener = openListener({ url })
  const controlPlane = await compose({
    config: readConfig({ REEF_DATA_DIR: directory }),
    secret: openRootSecret(Buffer.alloc(32)),
    database,
    listener,
    ports: { api: 7300, proxy: 7301 },
    log: openLog('silent'),
    dashboardDirectory: directory,
  })
  try {
    await controlPlane.server.ready()
    return `${JSON.stringify(controlPlane.server.swagger(), null, 2)}\n`
  } finally {
    await controlPlane.close({ stopMachines: false })
    await listener.close()
    await database.close()
    await rm(directory, { recursive: true, force: true })
  }
}
