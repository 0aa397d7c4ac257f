import { execFile } from 'node:child_process'
import { chmod, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import { openDatabase } from '../src/db/database.ts'
import { startEmbeddedPostgres } from '../src/db/embedded.ts'
import { migrate } from '../src/db/migrate.ts'
import { loginUrl } from '../src/db/roles.ts'
import { createLedger } from '../src/domain/credits/ledger.ts'
import { newId } from '../src/ids.ts'
import { openRootSecret, randomToken } from '../src/secrets.ts'
import { report } from './support/report.ts'
import { median, percentile, rounded } from './support/statistics.ts'

/**
 * Durable postings per second of the ledger, against pgbench's tpcb-like transactions and against the plain way (one
 * UPDATE of a balance and one INSERT per posting), on the same server with the same number of callers. The arguments are
 * seconds per figure and callers. pgbench comes with PostgreSQL (Debian: postgresql-contrib).
 */
const [seconds = 15, callers = 32] = process.argv.slice(2).map(Number)
const accountsCount = 1_000
const run = promisify(execFile)

interface Figure {
  perSecond: number
  /** Milliseconds of each. */
  latencies: number[]
}

/** All callers, each with one thing after another, for the time given; the first second does not count. */
async function measure(work: (caller: number) => Promise<unknown>): Promise<Figure> {
  const latencies: number[] = []
  const begin = performance.now() + 1_000
  const end = begin + seconds * 1_000
  await Promise.all(
    Array.from({ length: callers }, async (_, caller) => {
      for (let now = performance.now(); now < end; ) {
        const startedAt = now
        await work(caller)
        now = performance.now()
        if (startedAt >= begin) latencies.push(now - startedAt)
      }
    }),
  )
  return { perSecond: latencies.length / seconds, latencies }
}

/** tpcb-like is three UPDATEs, one SELECT and one INSERT; with scale 1 all of them update one row, as with one account. */
async function pgbench(superuserUrl: string, scale: number, directory: string): Promise<Figure> {
  const url = new URL(superuserUrl)
  const environment = {
    ...process.env,
    PGHOST: url.hostname,
    PGPORT: url.port,
    PGUSER: url.username,
    PGPASSWORD: url.password,
    PGDATABASE: 'reef',
  }
  const options = { env: environment, cwd: directory, maxBuffer: 2 ** 26 }
  await run('pgbench', ['-i', '-q', '-s', String(scale)], options)
  const clients = ['-c', String(callers), '-j', '2']
  const { stdout } = await run('pgbench', ['-n', ...clients, '-T', String(seconds), '--log'], options)
  const latencies: number[] = []
  for (const file of await readdir(directory))
    if (file.startsWith('pgbench_log')) {
      // client, transaction, microseconds, script, time
      for (const line of (await readFile(join(directory, file), 'utf8')).trim().split('\n'))
        latencies.push(Number(line.split(' ')[2]) / 1_000)
      await rm(join(directory, file))
    }
  return { perSecond: Number(/tps = ([\d.]+)/.exec(stdout)?.[1]), latencies }
}

/** What one writes first: a balance that is updated, and a row of what happened. */
async function plain(superuserUrl: string, accounts: number): Promise<Figure> {
  const url = new URL(superuserUrl)
  url.pathname = '/reef'
  const pool = new pg.Pool({ connectionString: url.href, max: callers })
  await pool.query(
    `create table plain_accounts (id int primary key, balance bigint not null check (balance >= 0))`,
  )
  await pool.query(
    `create table plain_postings (id bigint generated always as identity primary key, account int not null,
      amount bigint not null, key text not null unique, at timestamptz not null default now())`,
  )
  await pool.query('insert into plain_accounts select n, 1000000000 from generate_series(0, $1 - 1) as n', [
    accounts,
  ])
  const figure = await measure(async () => {
    const account = Math.floor(Math.random() * accounts)
    const client = await pool.connect()
    try {
      await client.query('begin')
      await client.query('update plain_accounts set balance = balance - 1 where id = $1', [account])
      await client.query('insert into plain_postings (account, amount, key) values ($1, 1, $2)', [
        account,
        newId(),
      ])
      await client.query('commit')
    } finally {
      client.release()
    }
  })
  await pool.query('drop table plain_accounts, plain_postings')
  await pool.end()
  return figure
}

const directory = await mkdtemp(join(tmpdir(), 'reef-bench-ledger-'))
// PostgreSQL runs as another user when this runs as root.
await chmod(directory, 0o755)
const scratch = await mkdtemp(join(tmpdir(), 'reef-bench-pgbench-'))
const postgres = await startEmbeddedPostgres(directory)
try {
  const secret = openRootSecret(Buffer.from(randomToken()))
  await migrate(postgres.ownerUrl, secret)
  const database = openDatabase({ url: loginUrl(postgres.ownerUrl, secret) })
  const ledger = createLedger(database)
  const organizations = Array.from({ length: accountsCount }, newId)
  const hot = newId()
  const anyOf = () => organizations[Math.floor(Math.random() * accountsCount)] as string
  const grant = (organizationId: string) =>
    ledger.post({ kind: 'grant', organizationId, key: newId(), amount: 1_000_000_000_000 })
  const posting = (organizationId: string) => {
    const reservationId = newId()
    return ledger.post({
      kind: 'settle',
      organizationId,
      key: reservationId,
      reservationId,
      amount: 1,
      close: true,
    })
  }
  const call = async (organizationId: string) => {
    const reservationId = newId()
    const expiresAt = new Date(Date.now() + 3_600_000)
    const held = { reservationId, purpose: 'model_call' as const, amount: 1_000, atLeast: 1_000, expiresAt }
    await ledger.post({ kind: 'reserve', organizationId, key: `${reservationId}:reserve`, ...held })
    await ledger.post({
      kind: 'settle',
      organizationId,
      key: `${reservationId}:settle`,
      reservationId,
      amount: 400,
      close: true,
    })
  }
  await Promise.all([...organizations, hot].map(grant))

  const peers = {
    many: await pgbench(postgres.superuserUrl, callers, scratch),
    hot: await pgbench(postgres.superuserUrl, 1, scratch),
  }
  const rows: (string | number)[][] = []
  const add = (name: string, accounts: string, figure: Figure, peer: Figure) =>
    rows.push([
      name,
      accounts,
      Math.round(figure.perSecond),
      rounded(figure.perSecond / peer.perSecond),
      median(figure.latencies),
      rounded(percentile(figure.latencies, 99)),
    ])
  add('pgbench tpcb-like', 'many', peers.many, peers.many)
  add('pgbench tpcb-like', 'one', peers.hot, peers.many)
  add('one UPDATE, one INSERT', 'many', await plain(postgres.superuserUrl, accountsCount), peers.many)
  add('one UPDATE, one INSERT', 'one', await plain(postgres.superuserUrl, 1), peers.many)
  add('Reef, one posting', 'many', await measure(() => posting(anyOf())), peers.many)
  add('Reef, one posting', 'one', await measure(() => posting(hot)), peers.many)
  add('Reef, a model call: reserve, settle', 'many', await measure(() => call(anyOf())), peers.many)
  add('Reef, a model call: reserve, settle', 'one', await measure(() => call(hot)), peers.many)
  await database.close()
  await report('ledger', {
    title: `Durable postings, ${callers} callers at once`,
    columns: ['', 'accounts', 'per second', 'of pgbench, many', 'p50, ms', 'p99, ms'],
    rows,
    notes: [
      'Each posting of Reef is a transfer in a hash chain with an idempotency key; what comes at the same time shares a transaction.',
      'Whoever posts waits until it is on the disk (fsync on, PostgreSQL’s defaults).',
    ],
  })
} finally {
  await postgres.stop()
  await rm(directory, { recursive: true, force: true })
  await rm(scratch, { recursive: true, force: true })
}
