import { type ChildProcess, spawn } from 'node:child_process'
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Database, openDatabase } from '../../src/db/database.ts'
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/db/embedded.ts'
import { migrate } from '../../src/db/migrate.ts'
import { loginUrl } from '../../src/db/roles.ts'
import { verifyLedger } from '../../src/domain/credits/verify.ts'
import { testSecret } from '../support/secret.ts'
import { operationOf, racedOperation } from './operations.ts'

/**
 * The full count: REEF_LEDGER_OPERATIONS=1000000 REEF_LEDGER_WRITERS=32 REEF_LEDGER_KEYS=10000 REEF_LEDGER_RACERS=50
 */
const operationsCount = Number(process.env.REEF_LEDGER_OPERATIONS ?? 4_000)
const writersCount = Number(process.env.REEF_LEDGER_WRITERS ?? 3)
const keysCount = Number(process.env.REEF_LEDGER_KEYS ?? 150)
const racersCount = Number(process.env.REEF_LEDGER_RACERS ?? 8)
const racerProcesses = 2
const minutesMax = 60

const writerFile = fileURLToPath(new URL('./writer.ts', import.meta.url))
let directory: string
let postgres: EmbeddedPostgres
let url: string
let database: Database

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'reef-ledger-'))
  // PostgreSQL runs as another user when the tests run as root.
  await chmod(directory, 0o755)
  postgres = await startEmbeddedPostgres(directory)
  await migrate(postgres.ownerUrl, testSecret)
  url = loginUrl(postgres.ownerUrl, testSecret)
  database = openDatabase({ url })
})
afterAll(async () => {
  await database?.close()
  await postgres?.stop()
  await rm(directory, { recursive: true, force: true })
})

/** Runs a writer process and hands each line that it says. Resolves with its exit code, null when it was killed. */
function run(arguments_: (string | number)[], onLine: (line: Record<string, number>) => void) {
  const child = spawn(process.execPath, [writerFile, ...arguments_.map(String)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  createInterface({ input: child.stdout }).on('line', (line) => onLine(JSON.parse(line)))
  return { child, ended: new Promise<number | null>((done) => child.once('close', done)) }
}

async function killPostgres(): Promise<void> {
  const [pid] = (await readFile(join(directory, 'postgres/data/postmaster.pid'), 'utf8')).split('\n')
  process.kill(Number(pid), 'SIGKILL')
}

/** A writer that starts again where it was whenever it is killed. */
class Writer {
  readonly number: number
  readonly to: number
  next = 0
  /** Operations of finished rounds that left a trace. */
  kept = 0
  repeated = 0
  kills = 0
  child: ChildProcess | undefined

  constructor(number: number, to: number) {
    this.number = number
    this.to = to
  }

  async finish(onProgress: () => void): Promise<void> {
    while (this.next < this.to) {
      const { child, ended } = run(['write', url, this.number, this.next, this.to], (line) => {
        this.next = line.next as number
        this.kept += line.kept as number
        this.repeated += line.repeated as number
        onProgress()
      })
      this.child = child
      const code = await ended
      if (code !== null && code !== 0) throw new Error(`writer ${this.number} ended with ${code}`)
    }
  }

  kill(): void {
    if (this.next >= this.to || !this.child?.kill('SIGKILL')) return
    this.kills += 1
  }
}

const count = async (query: ReturnType<typeof sql<{ count: number }>>) =>
  (await database.asSystem((trx) => query.execute(trx))).rows[0]?.count

describe('the ledger under fire', () => {
  it(
    `is right after ${operationsCount} operations of ${writersCount} writers, which are killed, and so is PostgreSQL`,
    async () => {
      const each = Math.ceil(operationsCount / writersCount)
      const writers = Array.from({ length: writersCount }, (_, number) => new Writer(number, each))
      const databaseKills = 4
      let killedAt = 0
      let killing = Promise.resolve()
      let postgresKills = 0
      const startedAt = performance.now()
      await Promise.all(
        writers.map((writer) =>
          writer.finish(() => {
            const done = writers.reduce((sum, { next }) => sum + next, 0) / (each * writersCount)
            // A writer at every 40th of the way, the database at every fifth.
            const step = Math.floor(done * 40)
            if (step <= killedAt || step >= 40) return
            killedAt = step
            writers[(step * 7) % writersCount]?.kill()
            if (step % 8 === 0 && postgresKills < databaseKills) {
              postgresKills += 1
              killing = killing.then(killPostgres)
            }
          }),
        ),
      )
      await killing
      const seconds = (performance.now() - startedAt) / 1000

      const report = await verifyLedger({ database, anchors: async function* () {} })
      expect(report.problems).toEqual([])
      for (const writer of writers) {
        // Exactly what was acknowledged is there: once, and nothing else.
        const found = await count(
          sql`select count(distinct (organization_id, key))::int as count from ledger_transfers
            where key like ${`${writer.number}:%`}`,
        )
        expect([writer.number, found]).toEqual([writer.number, writer.kept])
      }
      expect(
        await count(sql`select count(*)::int as count from
          (select key, leg from ledger_transfers group by 1, 2 having count(*) > 1) as doubled`),
      ).toBe(0)
      expect(report.totals).toMatchObject(cameIn(writers.length, each))
      const { granted, purchased, written_off, ...where } = report.totals
      expect(Object.values(where).reduce((sum, micros) => sum + micros)).toBe(
        granted + purchased + written_off,
      )
      const sum = (pick: (writer: Writer) => number) => writers.reduce((total, one) => total + pick(one), 0)
      expect(sum(({ kills }) => kills)).toBeGreaterThan(0)
      expect(postgresKills).toBe(databaseKills)
      tell(
        `${each * writersCount} operations, ${report.transfers} transfers in ${seconds.toFixed(0)} s; ` +
          `${sum(({ kills }) => kills)} writers and ${postgresKills} databases killed, ` +
          `${sum(({ repeated }) => repeated)} operations done again; verified in ${report.seconds.toFixed(1)} s`,
      )
    },
    minutesMax * 60_000,
  )

  it(
    `does each of ${keysCount} keys once, however many race for it`,
    async () => {
      let fresh = 0
      let repeated = 0
      const before = (await verifyLedger({ database, anchors: async function* () {} })).totals.granted
      const startedAt = performance.now()
      const codes = await Promise.all(
        Array.from(
          { length: racerProcesses },
          () =>
            run(['race', url, keysCount, racersCount / racerProcesses], (line) => {
              fresh += line.fresh as number
              repeated += line.repeated as number
            }).ended,
        ),
      )
      const seconds = (performance.now() - startedAt) / 1000
      expect(codes).toEqual(codes.map(() => 0))
      expect(fresh).toBe(keysCount)
      expect(fresh + repeated).toBe(keysCount * racersCount)
      const report = await verifyLedger({ database, anchors: async function* () {} })
      expect(report.problems).toEqual([])
      const expected = Array.from({ length: keysCount }, (_, key) => racedOperation(key).amount)
      expect(report.totals.granted - before).toBe(expected.reduce((sum, amount) => sum + amount))
      tell(
        `${keysCount} keys, ${racersCount} racers each: ${fresh} done, ${repeated} repeated in ${seconds.toFixed(0)} s`,
      )
    },
    minutesMax * 60_000,
  )
})

/** These never fail, so that their sum is known. */
function cameIn(writers: number, each: number): { granted: number; purchased: number } {
  const sums = { granted: 0, purchased: 0 }
  for (let writer = 0; writer < writers; writer++)
    for (let index = 0; index < each; index++) {
      const { kind, amount } = operationOf(writer, index)
      if (kind === 'grant') sums.granted += amount
      if (kind === 'purchase') sums.purchased += amount
    }
  return sums
}

function tell(line: string): void {
  process.stderr.write(`${line}\n`)
}
