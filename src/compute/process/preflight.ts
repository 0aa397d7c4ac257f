import { access, constants, mkdir, readFile, statfs } from 'node:fs/promises'
import { findPackageJSON } from 'node:module'
import { pathToFileURL } from 'node:url'
import type { PreflightCheck } from '../../domain/instances/compute.ts'

/** One OpenClaw takes 1.05 to 1.3 GB after its first turn, and its supervisor another 0.1. */
const memoryBytesMin = 1.5 * 1024 ** 3
/** State, logs and one backup of a small instance. */
const diskBytesMin = 1024 ** 3

/** A dependency of the supervisor, not of the control plane. */
const openclawPackage = 'openclaw'

export async function checkMachine(options: {
  directory: string
  supervisorEntry: string
}): Promise<PreflightCheck[]> {
  return [
    await checkDirectory(options.directory),
    await checkDisk(options.directory),
    await checkOpenclaw(options.supervisorEntry),
    checkMemory(),
    {
      name: 'isolation',
      ok: true,
      detail:
        'The process driver isolates nothing: an instance can read and change whatever the user that runs Reef can. ' +
        'Use it for yourself only.',
    },
  ]
}

async function checkDirectory(directory: string): Promise<PreflightCheck> {
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 })
    await access(directory, constants.R_OK | constants.W_OK | constants.X_OK)
    return { name: 'directory', ok: true, detail: `Instances live in ${directory}.` }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    return {
      name: 'directory',
      ok: false,
      detail: `${directory} cannot be written (${code}). Make it writable, or choose another place: REEF_DATA_DIR=DIRECTORY`,
    }
  }
}

async function checkDisk(directory: string): Promise<PreflightCheck> {
  const found = await statfs(directory).catch(() => undefined)
  if (!found) return { name: 'disk', ok: false, detail: `The free space of ${directory} cannot be read.` }
  const free = found.bavail * found.bsize
  const ok = free >= diskBytesMin
  const remedy = ok
    ? ''
    : ' At least 1.0 GB is needed: free some, or choose another place: REEF_DATA_DIR=DIRECTORY'
  return { name: 'disk', ok, detail: `${gigabytes(free)} free in ${directory}.${remedy}` }
}

async function checkOpenclaw(supervisorEntry: string): Promise<PreflightCheck> {
  try {
    // As the supervisor will look for it: from where the supervisor's own code lies.
    const path = findPackageJSON(openclawPackage, pathToFileURL(supervisorEntry)) ?? ''
    const { version } = JSON.parse(await readFile(path, 'utf8')) as { version: string }
    return { name: 'openclaw', ok: true, detail: `OpenClaw ${version} is installed.` }
  } catch {
    return {
      name: 'openclaw',
      ok: false,
      detail: 'OpenClaw is not installed. Run `npm ci` in Reef’s folder.',
    }
  }
}

function checkMemory(): PreflightCheck {
  // Unlike os.freemem() this respects the limit of a container that Reef itself runs in.
  const free = process.availableMemory()
  const ok = free >= memoryBytesMin
  const remedy = ok ? '' : ' One instance needs 1.5 GB: stop something, or set POOL_SIZE=0.'
  return { name: 'memory', ok, detail: `${gigabytes(free)} of memory available.${remedy}` }
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1024 ** 3).toFixed(1)} GB`
}
