import { execFile } from 'node:child_process'
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
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
  const restarts = vi.fn()
  const first = await startEmbeddedPostgres(directory, restarts)
  await query(first.ownerUrl, 'create table kept (value int)')
  await query(first.ownerUrl, 'insert into kept values (42)')
  expect(await query(first.ownerUrl, 'show fsync')).toEqual([{ fsync: 'on' }])
  expect(await query(first.ownerUrl, 'select rolsuper from pg_roles where rolname = current_user')).toEqual([
    { rolsuper: false },
  ])

  // A restarted Reef finds the server that still runs and uses it.
  const elsewhere = await startInAnotherProcess()
  expect(elsewhere).toBe(first.ownerUrl)

  // While Reef runs, it starts a server that has died again, at the same address.
  process.kill(await postmasterPid(), 'SIGKILL')
  await vi.waitFor(() => expect(restarts).toHaveBeenCalledWith(), { timeout: 30_000 })
  expect(await query(first.ownerUrl, 'select value from kept')).toEqual([{ value: 42 }])
  await first.stop()

  // And the next start finds what was there.
  const second = await startEmbeddedPostgres(directory)
  expect(await query(second.ownerUrl, 'select value from kept')).toEqual([{ value: 42 }])
  await second.stop()
})

async function postmasterPid(): Promise<number> {
  const file = await readFile(join(directory, 'postgres', 'data', 'postmaster.pid'), 'utf8')
  return Number(file.split('\n')[0])
}

/** The URL that a second start finds, in a process that ends without stopping anything, as after kill -9. */
async function startInAnotherProcess(): Promise<string> {
  const module = new URL('./embedded.ts', import.meta.url).href
  const program = `const { startEmbeddedPostgres } = await import(${JSON.stringify(module)});
    console.log((await startEmbeddedPostgres(${JSON.stringify(directory)})).ownerUrl)`
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program])
  return stdout.trim()
}
