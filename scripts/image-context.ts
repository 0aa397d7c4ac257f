import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

export type ImageName = 'gate' | 'instance' | 'control-plane'

/** What goes into each image beside its packages: paths from the project's folder, and where they lie in the context. */
const parts = {
  gate: { workspace: '@reef/gate', copies: { gate: 'gate/sources' } },
  instance: { workspace: '@reef/supervisor', copies: { supervisor: 'instance/supervisor' } },
  'control-plane': {
    workspace: null,
    copies: Object.fromEntries(
      ['src', 'supervisor', 'gate', 'web/dist', 'package.json', 'deploy/docker/Dockerfile'].map((path) => [
        path,
        `control-plane/reef/${path}`,
      ]),
    ),
  },
} satisfies Record<ImageName, { workspace: string | null; copies: Record<string, string> }>

/** Raised when packages are to be staged anew although the lock is the same. */
const stagingVersion = 2

/** Of no use to a program that runs: 140 of 725 MB. */
const needless = /\.(map|d\.ts|d\.mts|d\.cts)$/

/**
 * Puts what the images are made of into `directory`: Node from its npm package, the production dependencies from the
 * lock, for Linux with glibc whatever this machine is, and the sources. Packages are installed again only when the
 * lock has changed.
 */
export async function stageImageContext(root: string, directory: string, images: ImageName[]): Promise<void> {
  await mkdir(directory, { recursive: true })
  await stageNode(root, directory)
  for (const image of images) {
    await stagePackages(root, join(directory, image), parts[image].workspace)
    for (const [from, to] of Object.entries(parts[image].copies))
      await copySources(join(root, from), join(directory, to))
  }
}

async function stageNode(root: string, directory: string): Promise<void> {
  const require = createRequire(join(root, 'package.json'))
  const name = `node-linux-${process.arch}`
  let packageFile: string
  try {
    packageFile = require.resolve(`${name}/package.json`)
  } catch (error) {
    throw new Error(
      `The npm package ${name} is not installed, and the images take Node from it. On this machine: npm install --no-save --force ${name}`,
      { cause: error },
    )
  }
  await mkdir(join(directory, 'node'), { recursive: true })
  await cp(join(dirname(packageFile), 'bin', 'node'), join(directory, 'node', 'node'))
}

async function stagePackages(root: string, directory: string, workspace: string | null): Promise<void> {
  const lock = await readFile(join(root, 'package-lock.json'))
  const mark = createHash('sha256').update(lock).update(`${process.arch} ${stagingVersion}`).digest('hex')
  const markFile = join(directory, 'packages.sha256')
  if ((await readFile(markFile, 'utf8').catch(() => '')) === mark) return
  const draft = `${directory}.draft`
  for (const path of [draft, directory]) await rm(path, { recursive: true, force: true })
  for (const name of ['.', 'supervisor', 'gate', 'web']) await mkdir(join(draft, name), { recursive: true })
  for (const name of [
    'package.json',
    'package-lock.json',
    '.npmrc',
    ...['supervisor', 'gate', 'web'].map((folder) => `${folder}/package.json`),
  ])
    await cp(join(root, name), join(draft, name))
  const scope = workspace
    ? ['--workspace', workspace, '--include-workspace-root=false']
    : // OpenClaw is in the other image, the database in its own.
      ['--workspace', '@reef/gate', '--include-workspace-root', '--omit=optional']
  await run(
    'npm',
    [
      ...['ci', '--omit=dev', '--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund'],
      ...['--os=linux', `--cpu=${process.arch}`, '--libc=glibc', ...scope],
    ],
    { cwd: draft, maxBuffer: 16 * 1024 * 1024 },
  )
  await finishOpenclaw(join(draft, 'node_modules/openclaw/openclaw.mjs'))
  // Links to the workspaces, whose sources are copied beside.
  await rm(join(draft, 'node_modules', '@reef'), { recursive: true, force: true })
  await dropNeedless(join(draft, 'node_modules'))
  await mkdir(directory, { recursive: true })
  await rename(join(draft, 'node_modules'), join(directory, 'node_modules'))
  await rm(draft, { recursive: true, force: true })
  await writeFile(markFile, mark)
}

/** Install scripts are off, so OpenClaw makes up for its own at its first start, which in the image it could not. */
async function finishOpenclaw(entry: string): Promise<void> {
  if (!existsSync(entry)) return
  const home = await mkdtemp(join(tmpdir(), 'reef-image-'))
  try {
    await run(process.execPath, [entry, '--version'], { env: { HOME: home, OPENCLAW_STATE_DIR: home } })
  } finally {
    await rm(home, { recursive: true, force: true })
  }
}

async function dropNeedless(directory: string): Promise<void> {
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true }))
    if (entry.isFile() && needless.test(entry.name)) await rm(join(entry.parentPath, entry.name))
}

async function copySources(from: string, to: string): Promise<void> {
  await rm(to, { recursive: true, force: true })
  await mkdir(dirname(to), { recursive: true })
  await cp(from, to, {
    recursive: true,
    filter: (path) =>
      !['node_modules', 'test-support'].includes(basename(path)) && !/\.test\.ts$/.test(basename(path)),
  })
}
