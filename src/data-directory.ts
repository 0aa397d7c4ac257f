import { randomBytes } from 'node:crypto'
import { chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { connect, createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { sha256 } from './secrets.ts'

/** The directory that one Reef owns while it runs. */
export interface DataDirectory {
  readonly path: string
  /** What a second Reef on this directory is told, for example the URL of this one. */
  describe(text: string): void
  release(): Promise<void>
}

/**
 * Creates the directory if needed and takes it for this process. The lock is a listening socket: the kernel frees it
 * with the process, however that ends, so there is no stale lock to clear after kill -9.
 * Throws with a remedy when another Reef holds it or when the disk refuses.
 */
export async function takeDataDirectory(path: string): Promise<DataDirectory> {
  try {
    await mkdir(path, { recursive: true, mode: 0o755 })
    // A first write shows a full or read-only disk here, with the directory's name, and not somewhere later.
    const probe = join(path, '.write-probe')
    await writeFile(probe, randomBytes(4096), { flush: true })
    await rm(probe)
  } catch (error) {
    throw new Error(diskProblem(path, error as NodeJS.ErrnoException), { cause: error })
  }
  let description = `pid ${process.pid}`
  const server = createServer((socket) => socket.on('error', () => undefined).end(description))
  await takeLock(server, path)
  server.unref()
  return {
    path,
    describe: (text) => {
      description = `pid ${process.pid}, ${text}`
    },
    release: () => new Promise((done) => server.close(() => done())),
  }
}

/** Reads the root secret, making one on first use. 32 bytes. */
export async function readSecretFile(path: string): Promise<Buffer> {
  const file = join(path, 'secret.key')
  try {
    await writeFile(file, `${randomBytes(32).toString('hex')}\n`, { flag: 'wx', mode: 0o600, flush: true })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST')
      throw new Error(diskProblem(path, error as NodeJS.ErrnoException), { cause: error })
  }
  await chmod(file, 0o600)
  const secret = Buffer.from((await readFile(file, 'utf8')).trim(), 'hex')
  if (secret.length !== 32)
    throw new Error(`${file} is damaged: it should hold 64 hexadecimal digits. Restore it from a backup.`)
  return secret
}

async function takeLock(server: Server, path: string): Promise<void> {
  const address = lockAddress(path)
  for (let attempt = 0; ; attempt++) {
    const error = await new Promise<NodeJS.ErrnoException | undefined>((done) => {
      server.once('error', done)
      server.listen(address, () => {
        server.off('error', done)
        done(undefined)
      })
    })
    if (!error) return
    if (error.code !== 'EADDRINUSE') throw error
    const holder = await askHolder(address)
    // Only a socket file can outlive its process; an abstract address cannot.
    if (holder === undefined && attempt === 0 && !address.startsWith('\0')) await rm(address, { force: true })
    else
      throw new Error(
        `Another Reef already runs on ${path} (${holder ?? 'it does not say which'}). ` +
          'Stop that one, or give this one a directory of its own: REEF_DATA_DIR=DIRECTORY',
      )
  }
}

function lockAddress(path: string): string {
  if (process.platform !== 'linux') return join(path, 'reef.lock')
  // Linux's abstract namespace: no file, freed with the process.
  return `\0reef-${sha256(path).toString('hex').slice(0, 32)}`
}

function askHolder(address: string): Promise<string | undefined> {
  return new Promise((done) => {
    let text = ''
    const socket = connect(address)
    // The holder may be stopped in a debugger; a second is plenty for an answer on the same machine.
    socket.setTimeout(1000, () => socket.destroy())
    socket.on('data', (chunk) => {
      text += chunk
    })
    socket.on('error', () => undefined)
    socket.on('close', () => done(text || undefined))
  })
}

function diskProblem(path: string, error: NodeJS.ErrnoException): string {
  switch (error.code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return `The disk of ${path} is full. Free some space (Reef needs about 2 GB) or choose another place: REEF_DATA_DIR=DIRECTORY`
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return `Reef may not write to ${path} (${error.code}). Make it writable or choose another place: REEF_DATA_DIR=DIRECTORY`
    case 'ENOTDIR':
    case 'EEXIST':
      return `${path} is not a directory. Choose another place: REEF_DATA_DIR=DIRECTORY`
    default:
      return `${path} cannot be used: ${error.message}`
  }
}
