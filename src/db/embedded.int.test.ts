import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { startEmbeddedPostgres } from './embedded.ts'

let directory: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'reef-postgres-'))
  await chmod(directory, 0o755)
})
afterAll(() => rm(directory, { recursive: true, force: true }))

async function query<T extends object>(url: string, text: string): Promise<T[]> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => undefined)
  await client.connect()
  try {
    return (await client.query(text)).rows as T[]
  } finally {
    await client.end()
  }
}

it('keeps what was committed through kill -9, with fsync on, and as no superuser', async () => {
  const first = await startEmbeddedPostgres(directory)
  await query(first.ownerUrl, 'create table kept (value int)')
  await query(first.ownerUrl, 'insert into kept values (42)')
  expect(await query(first.ownerUrl, 'show fsync')).toEqual([{ fsync: 'on' }])
  expect(await query(first.ownerUrl, 'select rolsuper from pg_roles where rolname = current_user')).toEqual([
    { rolsuper: false },
  ])

  // A restarted Reef finds the server that still runs and uses it.
  const again = await startEmbeddedPostgres(directory)
  expect(again.ownerUrl).toBe(first.ownerUrl)

  const pidFile = join(directory, 'postgres', 'data', 'postmaster.pid')
  const pid = Number((await readFile(pidFile, 'utf8')).split('\n')[0])
  process.kill(pid, 'SIGKILL')
  await waitUntilGone(pid)
  const second = await startEmbeddedPostgres(directory)
  expect(await query(second.ownerUrl, 'select value from kept')).toEqual([{ value: 42 }])
  await second.stop()
})

async function waitUntilGone(pid: number): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    try {
      process.kill(pid, 0)
    } catch {
      return
    }
    await new Promise((done) => setTimeout(done, 20))
  }
  throw new Error(`process ${pid} is still there`)
}
