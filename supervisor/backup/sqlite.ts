import { lstat, open, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { backup, DatabaseSync } from 'node:sqlite'

const magic = 'SQLite format 3\0'
const sidecarSuffixes = ['-wal', '-shm', '-journal']
/** OpenClaw writes in short transactions; waiting longer than this means that something else is wrong. */
const busyMs = 10_000
/** Pages that are copied before writers get their turn: small enough for 64 MB, large enough to come to an end. */
const pagesPerStep = 1_000

export async function isSqlite(path: string): Promise<boolean> {
  const found = await lstat(path).catch(() => undefined)
  if (!found?.isFile()) return false
  const file = await open(path, 'r').catch(() => undefined)
  if (!file) return false
  try {
    const head = Buffer.alloc(magic.length)
    const { bytesRead } = await file.read(head, 0, head.length, 0)
    return bytesRead === head.length && head.toString('latin1') === magic
  } finally {
    await file.close()
  }
}

/** The journal of a database beside it, and not a file that is only named like one. */
export async function isSidecar(path: string): Promise<boolean> {
  const suffix = sidecarSuffixes.find((one) => path.endsWith(one))
  return suffix !== undefined && (await isSqlite(path.slice(0, -suffix.length)))
}

/** A consistent copy of a database that others write at this moment, without a journal beside it. */
export async function snapshotSqlite(source: string, copy: string): Promise<void> {
  const database = new DatabaseSync(source, { readOnly: true, timeout: busyMs })
  try {
    await backup(database, copy, { rate: pagesPerStep })
  } finally {
    database.close()
  }
  const written = new DatabaseSync(copy, { timeout: busyMs })
  try {
    // A copy of a database in WAL mode would make its own -wal with the first reader.
    written.exec('pragma journal_mode = delete')
    forgetOwner(written)
  } finally {
    written.close()
  }
  for (const suffix of sidecarSuffixes) await rm(copy + suffix, { force: true })
}

/** Who ran the state when it was copied is of no meaning to the gateway that is to run the copy. */
function forgetOwner(database: DatabaseSync): void {
  const table = database
    .prepare("select name from sqlite_master where type = 'table' and name = 'state_leases'")
    .get()
  if (table) database.exec("delete from state_leases where scope = 'gateway-owner'")
}

/**
 * Checks every database below `directory` that is to be trusted, and removes journals that lie beside one: those of
 * another life of the file would be played back into it. Throws with the first that is damaged. Answers how many.
 */
export async function checkDatabases(directory: string): Promise<number> {
  let count = 0
  const entries = await readdir(directory, { recursive: true, withFileTypes: true })
  for (const entry of entries) {
    const path = join(entry.parentPath, entry.name)
    if (!entry.isFile() || !(await isSqlite(path))) continue
    for (const suffix of sidecarSuffixes) await rm(path + suffix, { force: true })
    checkDatabase(path)
    for (const suffix of sidecarSuffixes) await rm(path + suffix, { force: true })
    count += 1
  }
  return count
}

function checkDatabase(path: string): void {
  const database = new DatabaseSync(path, { timeout: busyMs, allowExtension: false })
  try {
    const rows = database.prepare('pragma integrity_check').all()
    const [first] = rows.map((row) => String(Object.values(row)[0]))
    if (first !== 'ok') throw new Error(`${path} is damaged: ${first}`)
  } finally {
    database.close()
  }
}
