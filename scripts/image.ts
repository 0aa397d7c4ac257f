import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { readConfig } from '../src/config.ts'
import { readReefVersion, readSpecVersion } from '../src/software-version.ts'
import { type ImageName, stageImageContext } from './image-context.ts'

// Builds the images of the Docker driver on this machine's engine, without a registry:
//   npm run image -- [--base IMAGE] [--tag TAG] [--only instance,gate,control-plane]
const root = fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, '')
/** In the order of the Dockerfile: the classic builder builds every stage before the one that is wanted. */
const names: ImageName[] = ['gate', 'instance', 'control-plane']
const { values } = parseArgs({
  options: {
    base: { type: 'string', default: 'node:24-bookworm-slim' },
    tag: { type: 'string', default: 'local' },
    only: { type: 'string', default: 'instance,gate' },
  },
})
const only = values.only.split(',')
const unknown = only.filter((name) => !names.some((known) => known === name))
if (unknown.length > 0) fail(`There is no image ${unknown.join(', ')}. There are: ${names.join(', ')}.`)

const context = join(readConfig({}).REEF_DATA_DIR, 'image')
const images = names.filter((name) => only.includes(name) && isThere(name))
const startedAt = performance.now()
await stageImageContext(
  root,
  context,
  names.slice(0, 1 + Math.max(...images.map((name) => names.indexOf(name)))),
).catch((error: Error) => fail(error.message))
console.log(`Staged in ${seconds(startedAt)} s: ${context}`)
const [openclaw = '', supervisor = ''] = (await readSpecVersion()).split(' ')
for (const name of images) {
  const buildStartedAt = performance.now()
  const tag = `reef-${name}:${values.tag}`
  // What only later stages copy is not sent to the engine.
  const later = names.slice(names.indexOf(name) + 1)
  await writeFile(join(context, '.dockerignore'), `${later.join('\n')}\n`)
  docker([
    ...['build', '--quiet', '--target', name, '--tag', tag],
    ...['--file', join(root, 'deploy/docker/Dockerfile'), '--build-arg', `BASE_IMAGE=${values.base}`],
    ...['--build-arg', `REEF_VERSION=${await readReefVersion()}`],
    ...['--build-arg', `OPENCLAW_VERSION=${openclaw.replace('openclaw-', '')}`],
    ...['--build-arg', `SUPERVISOR_VERSION=${supervisor.replace('supervisor-', '')}`],
    context,
  ])
  const [id = '', bytes = '0'] = docker(['image', 'inspect', '--format', '{{.Id}} {{.Size}}', tag]).split(' ')
  const megabytes = Math.round(Number(bytes) / 1e6)
  console.log(`${tag}  ${id.slice(0, 19)}  ${megabytes} MB, built in ${seconds(buildStartedAt)} s`)
}

/** Two stages copy what another part of Reef brings; without it there is nothing to build. */
function isThere(name: ImageName): boolean {
  const needed = { gate: 'gate/main.ts', instance: 'supervisor/main.ts', 'control-plane': 'web/dist' }[name]
  const found = existsSync(join(root, needed))
  if (!found) console.log(`reef-${name} is left out: there is no ${needed}.`)
  return found
}

function docker(argv: string[]): string {
  const ran = spawnSync('docker', argv, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: 64 * 1024 * 1024,
  })
  if (ran.error) fail('The docker client is not installed. On Debian: apt-get install docker.io')
  if (ran.status !== 0) fail(`docker ${argv[0]} failed: ${ran.stderr.trim() || ran.stdout.trim()}`)
  return ran.stdout.trim()
}

function seconds(since: number): string {
  return ((performance.now() - since) / 1000).toFixed(1)
}

function fail(message: string): never {
  console.error(message)
  process.exit(1)
}
