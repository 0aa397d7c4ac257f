import { spawn } from 'node:child_process'
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { CliError } from '../failure.ts'

const webDirectory = fileURLToPath(new URL('../../../web', import.meta.url))

/** What the dashboard is made of, apart from its dependencies. */
const sources = ['src', 'public', 'index.html', 'vite.config.ts', 'package.json']

/** True when there is no built dashboard or when one of its sources is newer. */
export async function isDashboardStale(web = webDirectory): Promise<boolean> {
  const builtAt = await stat(join(web, 'dist', 'index.html')).then(
    (entry) => entry.mtimeMs,
    () => undefined,
  )
  if (builtAt === undefined) return true
  for (const source of sources) if ((await newestChange(join(web, source))) > builtAt) return true
  return false
}

/**
 * Builds into a directory of its own and puts it in place when it is whole, so that an interrupted build leaves no half
 * dashboard behind. Throws with the build's last lines.
 */
export async function buildDashboard(web = webDirectory): Promise<void> {
  const fresh = join(web, '.reef', `build-${process.pid}`)
  const dist = join(web, 'dist')
  await mkdir(dirname(fresh), { recursive: true })
  try {
    await runVite(web, fresh)
    // Whoever serves the one before finds it until the moment in which this one takes its place.
    await rename(dist, `${fresh}-before`).catch(() => undefined)
    await rename(fresh, dist)
  } finally {
    await rm(fresh, { recursive: true, force: true })
    await rm(`${fresh}-before`, { recursive: true, force: true })
  }
}

function runVite(web: string, outDirectory: string): Promise<void> {
  const manifest = createRequire(join(web, 'package.json')).resolve('vite/package.json')
  const vite = join(dirname(manifest), 'bin', 'vite.js')
  const child = spawn(process.execPath, [vite, 'build', '--outDir', outDirectory, '--emptyOutDir'], {
    cwd: web,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NODE_ENV: 'production' },
  })
  let output = ''
  child.stdout.on('data', (chunk) => {
    output += chunk
  })
  child.stderr.on('data', (chunk) => {
    output += chunk
  })
  return new Promise((done, fail) => {
    child.on('error', fail)
    child.on('close', (code) => {
      if (code === 0) return done()
      const lastLines = output.trim().split('\n').slice(-15).join('\n')
      fail(new CliError('failed', `The dashboard does not build. Vite said:\n${lastLines}`))
    })
  })
}

async function newestChange(path: string): Promise<number> {
  const entry = await stat(path).catch(() => undefined)
  if (!entry) return 0
  if (!entry.isDirectory()) return entry.mtimeMs
  // A directory's own time tells of files that were removed or renamed.
  const times = (await readdir(path)).map((name) => newestChange(join(path, name)))
  return Math.max(entry.mtimeMs, ...(await Promise.all(times)))
}
