import { randomBytes } from 'node:crypto'
import { chmod, mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { CliError } from './failure.ts'
import { withLock } from './lock.ts'

const credentialsSchema = z.object({
  url: z.url(),
  email: z.string(),
  refreshToken: z.string(),
  accessToken: z.string(),
  /** ISO 8601. */
  accessTokenExpiresAt: z.iso.datetime(),
})

/** What a log-in leaves on this machine. */
export type Credentials = z.infer<typeof credentialsSchema>

/** The file that holds them, readable by its owner alone. */
export interface CredentialStore {
  readonly path: string
  /** Undefined when nobody is logged in. */
  find(): Promise<Credentials | undefined>
  /**
   * Replaces them by what `change` makes of the present ones, while no other command does; undefined removes them.
   * A refresh token is good once, so whoever spends one does it in here.
   */
  update(
    change: (present: Credentials | undefined) => Promise<Credentials | undefined>,
  ): Promise<Credentials | undefined>
}

export function openCredentialStore(
  environment: Record<string, string | undefined> = process.env,
): CredentialStore {
  const configHome = environment.XDG_CONFIG_HOME || join(homedir(), '.config')
  const path = join(configHome, 'reef', 'credentials.json')
  const find = () => readCredentials(path)
  return {
    path,
    find,
    update: (change) =>
      withLock(path, async () => {
        const next = await change(await find())
        if (next) await writeCredentials(path, next)
        else await rm(path, { force: true })
        return next
      }),
  }
}

async function readCredentials(path: string): Promise<Credentials | undefined> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  try {
    return credentialsSchema.parse(JSON.parse(text))
  } catch (cause) {
    throw new CliError('notLoggedIn', `${path} is damaged. Remove it and log in again: reef login`, { cause })
  }
}

async function writeCredentials(path: string, credentials: Credentials): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  // Whole or not at all: losing the refresh token halfway means logging in again.
  const fresh = `${path}.${randomBytes(6).toString('hex')}`
  const file = await open(fresh, 'wx', 0o600)
  try {
    await file.writeFile(`${JSON.stringify(credentials, null, 2)}\n`)
    await file.sync()
  } finally {
    await file.close()
  }
  await chmod(fresh, 0o600)
  await rename(fresh, path)
}
