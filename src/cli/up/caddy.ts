import { execFile } from 'node:child_process'
import { access, constants } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { CliError } from '../failure.ts'

const oldest = [2, 6] as const

export interface Caddy {
  path: string
  version: string
}

/** Throws with how to install it when there is none, and with the version when that is too old. */
export async function findCaddy(searchPath = process.env.PATH ?? ''): Promise<Caddy> {
  for (const directory of searchPath.split(delimiter)) {
    const path = join(directory, 'caddy')
    const isThere = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    )
    if (isThere) return checkVersion(path)
  }
  throw new CliError(
    'failed',
    'The ingress needs Caddy, which is not installed here. On Debian and Ubuntu: apt-get install caddy; ' +
      'on macOS: brew install caddy; elsewhere: https://caddyserver.com/docs/install. Then start Reef again.',
  )
}

async function checkVersion(path: string): Promise<Caddy> {
  const { stdout } = await promisify(execFile)(path, ['version'])
  const [, major, minor] = /v?(\d+)\.(\d+)/.exec(stdout) ?? []
  const version = stdout.trim().split(' ', 1)[0] as string
  const isOld = Number(major) < oldest[0] || (Number(major) === oldest[0] && Number(minor) < oldest[1])
  if (major === undefined || isOld)
    throw new CliError(
      'failed',
      `The ingress needs Caddy ${oldest.join('.')} or newer; ${path} says that it is ${version || 'none'}.`,
    )
  return { path, version }
}
