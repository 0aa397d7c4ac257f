import { spawnSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

/** Programs that some tests need and npm does not bring; `.ci/run` installs them. */
const remedies = {
  chromium: 'apt-get install chromium',
  caddy: 'apt-get install caddy',
  docker:
    'apt-get install docker.io debootstrap, start dockerd, then deploy/docker/base-image.sh reef-base:local',
  /** The real images of instances and gate. */
  images: 'the above for docker, then npm run image -- --base reef-base:local',
  moto_server: "pip install 'moto[server]'",
}

export type Component = keyof typeof remedies

/**
 * The path of a component for the tests that need it. Where it is missing, CI fails; on a person's machine the answer
 * is undefined, after one line that says what to install, and the caller skips: `describe.skipIf(!path)`.
 */
export function requireComponent(name: Component): string | undefined {
  const path = findProgram(name === 'images' ? 'docker' : name)
  const images = imagesOf[name] ?? []
  if (path && images.every((image) => isThere(path, image))) return path
  const message = `${name} is missing: ${remedies[name]}`
  if (process.env.CI === 'true') throw new Error(`${message} (CI must have it)`)
  process.stderr.write(`Skipping tests, since ${message}\n`)
  return undefined
}

/** A client alone is of no use: without an engine that answers there is no image either. */
const imagesOf: Partial<Record<Component, string[]>> = {
  docker: ['reef-base:local'],
  images: ['reef-instance:local', 'reef-gate:local'],
}

function isThere(client: string, image: string): boolean {
  return spawnSync(client, ['image', 'inspect', image], { stdio: 'ignore' }).status === 0
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
