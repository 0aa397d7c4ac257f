import { spawnSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

/** Programs that some tests need and npm does not bring; `.ci/run` installs them. */
const remedies = {
  chromium: 'apt-get install chromium',
  caddy: 'apt-get install caddy',
  docker: 'apt-get install docker.io, and a dockerd that runs',
  moto_server: "pip install 'moto[server]'",
}

export type Component = keyof typeof remedies

/**
 * The path of a component for the tests that need it. Where it is missing, CI fails; on a person's machine the answer
 * is undefined, after one line that says what to install, and the caller skips: `describe.skipIf(!path)`.
 */
export function requireComponent(name: Component): string | undefined {
  const path = findProgram(name)
  if (path && (name !== 'docker' || engineAnswers(path))) return path
  const message = `${name} is missing: ${remedies[name]}`
  if (process.env.CI === 'true') throw new Error(`${message} (CI must have it)`)
  process.stderr.write(`Skipping tests, since ${message}\n`)
  return undefined
}

/** The client alone is of no use. */
function engineAnswers(client: string): boolean {
  return spawnSync(client, ['version', '--format', '{{.Server.Version}}'], { stdio: 'ignore' }).status === 0
}

function findProgram(name: string): string | undefined {
  for (const directory of (process.env.PATH ?? '').split(delimiter)) {
    const path = join(directory, name)
    try {
      accessSync(path, constants.X_OK)
      return path
    } catch {
      // Not here.
    }
  }
  return undefined
}
