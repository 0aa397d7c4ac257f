import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { createDockerDriver, type DockerDriverOptions } from '../../src/compute/docker/driver.ts'
import { parseHosts } from '../../src/compute/docker/host-address.ts'
import { readSecretFile } from '../../src/data-directory.ts'
import type { ComputeDriver } from '../../src/domain/instances/compute.ts'
import { openRootSecret } from '../../src/secrets.ts'

const run = promisify(execFile)
const standIn = fileURLToPath(new URL('./stand-in-supervisor.ts', import.meta.url))
const baseImage = 'reef-base:local'

/** The docker client, for a look at the machines without the driver. */
export async function docker(...argv: string[]): Promise<string> {
  const { stdout } = await run('docker', argv, { maxBuffer: 16 * 1024 * 1024 })
  return stdout.trim()
}

/** As `docker`; undefined when it fails. */
export function dockerOrNot(...argv: string[]): Promise<string | undefined> {
  return docker(...argv).catch(() => undefined)
}

/** The layout of the real images with a stand-in for the supervisor, or for the gate something that only runs. */
function dockerfile(command: string[]): string {
  return [
    `FROM ${baseImage}`,
    'COPY node /usr/local/bin/node',
    'RUN install -d -o 10001 -g 10001 -m 700 /home/agent /home/agent/.openclaw /run/reef',
    'COPY stand-in.ts /opt/reef/stand-in.ts',
    'ENV HOME=/home/agent REEF_SLOT_DIR=/home/agent/.openclaw REEF_SUPERVISOR_HOST=0.0.0.0',
    'USER 10001:10001',
    'WORKDIR /home/agent',
    `HEALTHCHECK --interval=60s CMD ["true"]`,
    'LABEL reef.test=1 reef.openclaw.version=0.0.0 reef.supervisor.version=stand-in',
    'ENTRYPOINT ["tini", "--"]',
    `CMD ${JSON.stringify(command)}`,
  ].join('\n')
}

/** Builds small images for tests; the engine keeps them for the next run. */
export async function buildTestImages(): Promise<{ image: string; gateImage: string }> {
  const hash = createHash('sha256')
    .update(await readFile(standIn))
    .update(dockerfile([]))
    .digest('hex')
    .slice(0, 12)
  const images = { image: `reef-test-instance:${hash}`, gateImage: `reef-test-gate:${hash}` }
  await buildTestImage(images.image, ['node', '/opt/reef/stand-in.ts'])
  await buildTestImage(images.gateImage, ['sleep', 'infinity'])
  return images
}

async function buildTestImage(name: string, command: string[]): Promise<void> {
  if (await dockerOrNot('image', 'inspect', name)) return
  await buildImage(name, dockerfile(command), async (directory) => {
    await copyFile(process.execPath, join(directory, 'node'))
    await copyFile(standIn, join(directory, 'stand-in.ts'))
  })
}

/** Builds an image from a Dockerfile, with what `stage` puts beside it. Answers the image's id. */
export async function buildImage(
  name: string,
  dockerfile: string,
  stage?: (directory: string) => Promise<void>,
): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'reef-image-'))
  try {
    await stage?.(directory)
    await writeFile(join(directory, 'Dockerfile'), dockerfile)
    return await docker('build', '--quiet', '--tag', name, directory)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

/** A Reef of its own on the machine's engine, for one file of tests. */
export interface TestReef {
  reefId: string
  options: DockerDriverOptions
  open(changes?: Partial<DockerDriverOptions>): ComputeDriver
  nameOf(slotId: string): string
  /** Removes everything that carries this Reef's mark. */
  dispose(): Promise<void>
}

/** `range` must differ between files that run at the same time. */
export async function openTestReef(range: string): Promise<TestReef> {
  const reefId = `t${Date.now().toString(36)}`
  const options: DockerDriverOptions = {
    ...(await buildTestImages()),
    reefId,
    hosts: parseHosts('local=unix:///var/run/docker.sock'),
    network: range,
    gateToken: () => 'a token for tests',
    controlUrl: 'http://127.0.0.1:1',
    records: placementsInMemory(),
  }
  return {
    reefId,
    options,
    open: (changes = {}) => createDockerDriver({ ...options, ...changes }),
    nameOf: (slotId) => `reef-${reefId}-${slotId}`,
    dispose: () => removeOwn(reefId),
  }
}

/** The mark that a Reef with this data directory puts on what it makes. */
export async function readReefId(dataDirectory: string): Promise<string> {
  return openRootSecret(await readSecretFile(dataDirectory))
    .deriveKey('reef id')
    .toString('hex')
    .slice(0, 12)
}

/** Removes every container, network and volume that carries a Reef's mark. */
export async function removeOwn(reefId: string): Promise<void> {
  const filter = ['--filter', `label=reef.id=${reefId}`]
  const lines = async (...argv: string[]) => (await docker(...argv, ...filter)).split('\n').filter(Boolean)
  for (const id of await lines('ps', '--all', '--quiet')) await dockerOrNot('rm', '--force', id)
  for (const id of await lines('network', 'ls', '--quiet')) await dockerOrNot('network', 'rm', id)
  for (const id of await lines('volume', 'ls', '--quiet')) await dockerOrNot('volume', 'rm', '--force', id)
}

/** What a database would remember, for one test. */
export function placementsInMemory(): DockerDriverOptions['records'] & { draining: Set<string> } {
  const places = new Map<string, string>()
  const draining = new Set<string>()
  return {
    draining,
    findDraining: async () => draining,
    findPlace: async (slotId) => places.get(slotId),
    place: async (slotId, host) => {
      const place = places.get(slotId) ?? host
      places.set(slotId, place)
      return place
    },
  }
}
