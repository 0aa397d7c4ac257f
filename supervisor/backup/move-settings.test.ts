import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { moveSettings } from './move-settings.ts'

let tree: string
beforeEach(() => {
  tree = mkdtempSync(join(tmpdir(), 'reef-move-'))
  mkdirSync(join(tree, 'state/state'), { recursive: true })
})
afterEach(() => rmSync(tree, { recursive: true, force: true }))

test('settings and OpenClaw’s databases name the new directory wherever they named the old one', async () => {
  const config = {
    agents: { defaults: { workspace: '/old/slot/workspace' } },
    other: ['/old/slot', '/old/slots', 7],
  }
  writeFileSync(join(tree, 'openclaw.json'), JSON.stringify(config))
  const database = new DatabaseSync(join(tree, 'state/state/openclaw.sqlite'))
  database.exec(`create table jobs (id integer primary key, store_key text, payload text, bytes blob,
      length integer generated always as (length(payload)) virtual);
    create virtual table found using fts5 (payload, content = jobs, content_rowid = id);
    create trigger jobs_found after update on jobs begin
      insert into found (found, rowid, payload) values ('delete', old.id, old.payload);
      insert into found (rowid, payload) values (new.id, new.payload); end`)
  database
    .prepare('insert into jobs (store_key, payload, bytes) values (?, ?, ?)')
    .run(
      '/old/slot/state/cron',
      '{"cwd":"/old/slot/workspace","near":"/old/slots/x"}',
      Buffer.from('/old/slot/x'),
    )
  database.exec("insert into found (found) values ('rebuild')")
  const foreign = new DatabaseSync(join(tree, 'state/plugin.sqlite'))
  foreign.exec("create table paths (path text); insert into paths values ('/old/slot/x')")

  await moveSettings(tree, '/old/slot', '/new')

  expect(JSON.parse(readFileSync(join(tree, 'openclaw.json'), 'utf8'))).toEqual({
    agents: { defaults: { workspace: '/new/workspace' } },
    other: ['/new', '/old/slots', 7],
  })
  const row = database.prepare('select store_key, payload, bytes from jobs').get()
  expect(row).toMatchObject({
    store_key: '/new/state/cron',
    payload: '{"cwd":"/new/workspace","near":"/old/slots/x"}',
    bytes: new Uint8Array(Buffer.from('/old/slot/x')),
  })
  expect(database.prepare("select count(*) as count from found where found match 'new'").get()).toEqual({
    count: 1,
  })
  expect(database.prepare('pragma integrity_check').get()).toEqual({ integrity_check: 'ok' })
  expect(foreign.prepare('select path from paths').get()).toEqual({ path: '/old/slot/x' })
  database.close()
  foreign.close()
})
