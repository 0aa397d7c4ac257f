import { createHash } from 'node:crypto'
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildTestImages, docker, dockerOrNot } from '../support/docker.ts'

const here = fileURLToPath(new URL('.', import.meta.url))
const gateDirectory = fileURLToPath(new URL('../../gate', import.meta.url))
const require = createRequire(join(gateDirectory, 'package.json'))

/** Instances, canaries and attackers are all made of it: Node and the programs of this folder. */
export async function buildAttackerImage(): Promise<string> {
  const { gateImage: base } = await buildTestImages()
  const programs = ['canary.ts', 'attacker.ts']
  const texts = await Promise.all(programs.map((name) => readFile(join(here, name))))
  return buildImage('reef-test-attacker', [base, ...texts], async (directory) => {
    for (const name of programs) await cp(join(here, name), join(directory, name))
    return [`FROM ${base}`, 'COPY *.ts /opt/reef/isolation/', 'CMD ["sleep", "infinity"]']
  })
}

/** The gate itself, as in the real image, with what these tests stand in for the internet with. */
export async function buildGateImage(environment: Record<string, string>, hosts: string): Promise<string> {
  const { gateImage: base } = await buildTestImages()
  const sources = (await readdir(gateDirectory)).filter((name) => /^[a-z-]+\.ts$/.test(name))
  const texts = await Promise.all(sources.map((name) => readFile(join(gateDirectory, name))))
  const variables = Object.entries(environment).map(([name, value]) => `ENV ${name}=${value}`)
  return buildImage('reef-test-real-gate', [base, ...texts, ...variables, hosts], async (directory) => {
    for (const name of [...sources, 'package.json'])
      await cp(join(gateDirectory, name), join(directory, 'gate', name))
    for (const name of ['ws', 'zod', 'ipaddr.js'])
      await cp(packageDirectory(name), join(directory, 'node_modules', name), { recursive: true })
    await writeFile(join(directory, 'hosts'), hosts)
    return [
      `FROM ${base}`,
      'COPY hosts /opt/reef/hosts',
      'COPY node_modules /opt/reef/node_modules',
      'COPY gate /opt/reef/gate',
      ...variables,
      'CMD ["node", "/opt/reef/gate/main.ts"]',
    ]
  })
}

function packageDirectory(name: string): string {
  let directory = dirname(require.resolve(name))
  while (!directory.endsWith(join('node_modules', name))) directory = dirname(directory)
  return directory
}

async function buildImage(
  name: string,
  madeOf: (string | Buffer)[],
  stage: (directory: string) => Promise<string[]>,
): Promise<string> {
  const hash = createHash('sha256')
  for (const part of madeOf) hash.update(part).update('\0')
  const image = `${name}:${hash.digest('hex').slice(0, 12)}`
  if (await dockerOrNot('image', 'inspect', image)) return image
  const directory = await mkdtemp(join(tmpdir(), 'reef-image-'))
  try {
    const lines = await stage(directory)
    await writeFile(join(directory, 'Dockerfile'), `${lines.join('\n')}\n`)
    await docker('build', '--quiet', '--tag', image, directory)
    return image
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}
