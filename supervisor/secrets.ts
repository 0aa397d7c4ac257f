import { createHash } from 'node:crypto'
import { lstatSync, mkdirSync, renameSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Desired } from './protocol.ts'

export type Secrets = NonNullable<Desired['secrets']>

/** The owner's secrets while this supervisor runs: in memory, where OpenClaw's file provider and the plugin find them. */
export interface SlotSecrets {
  readonly paths: SecretPaths
  /** False on a machine without a file system in memory: then they lie in a private file until the supervisor ends. */
  readonly inMemory: boolean
  /** Takes all of them, each time. True when OpenClaw has to read them again. */
  take(secrets: Secrets): boolean
  /** The text with every value in it replaced by its name. */
  redact(text: string): string
  clear(): void
}

export interface SecretPaths {
  /** NAME: value, as OpenClaw's secret provider reads it. */
  readonly values: string
  /** Those that commands of the agent are to see. */
  readonly exposed: string
}

/** tmpfs and ramfs, as statfs(2) calls them. */
const memoryFileSystems = new Set([0x0102_1994, 0x8584_58f6])
/** A shorter value occurs by chance, and its redaction would say more than it hides. */
const redactedCharactersMin = 6

export function openSlotSecrets(slotDirectory: string, places = placesOf(process.getuid?.())): SlotSecrets {
  const place = places.find(isInMemory) ?? tmpdir()
  // The same at every start, so that nothing of an earlier supervisor that was killed stays behind.
  const name = createHash('sha256').update(slotDirectory).digest('hex').slice(0, 16)
  const directory = join(place, `reef-secrets-${name}`)
  makePrivate(directory)
  const paths = { values: join(directory, 'values.json'), exposed: join(directory, 'exposed.json') }
  let known: Secrets = []
  let written = ''

  const write = (secrets: Secrets): boolean => {
    const values = JSON.stringify(Object.fromEntries(secrets.map(({ name, value }) => [name, value])))
    const exposed = secrets.filter((secret) => secret.exposeToTools)
    replaceFile(
      paths.exposed,
      JSON.stringify(Object.fromEntries(exposed.map(({ name, value }) => [name, value]))),
    )
    if (values === written) return false
    replaceFile(paths.values, values)
    written = values
    return true
  }
  write([])

  return {
    paths,
    inMemory: isInMemory(place),
    take: (secrets) => {
      known = secrets
      return write(secrets)
    },
    redact: (text) => {
      let result = text
      // A value of several lines comes line by line.
      for (const { name, value } of known)
        for (const line of value.split(/\r?\n/))
          if (line.length >= redactedCharactersMin && result.includes(line))
            result = result.replaceAll(line, `[secret ${name}]`)
      return result
    },
    clear: () => {
      known = []
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

function placesOf(uid: number | undefined): string[] {
  return ['/dev/shm', ...(uid === undefined ? [] : [`/run/user/${uid}`]), tmpdir()]
}

function isInMemory(path: string): boolean {
  try {
    return memoryFileSystems.has(statfsSync(path).type)
  } catch {
    return false
  }
}

/** Others may write to the place: what they put there under our name is not used. */
function makePrivate(directory: string): void {
  rmSync(directory, { recursive: true, force: true })
  mkdirSync(directory, { mode: 0o700 })
  const made = lstatSync(directory)
  if (!made.isDirectory() || (process.getuid && made.uid !== process.getuid()))
    throw new Error(`${directory} belongs to somebody else. Remove it, so that secrets can be kept there.`)
}

function replaceFile(path: string, text: string): void {
  writeFileSync(`${path}.new`, text, { mode: 0o600 })
  renameSync(`${path}.new`, path)
}
