import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

const words =
  'the agent reads a file and writes what it found into notes then asks which of them to keep'.split(' ')

/** A slot's directory of about this size: transcripts in SQLite, notes, and a tenth that nothing can compress. */
export function createBenchState(mebibytes: number): { directory: string; remove(): void } {
  const directory = mkdtempSync(join(tmpdir(), 'reef-bench-backup-'))
  for (const path of ['state/agents/main/agent', 'workspace/notes'])
    mkdirSync(join(directory, path), { recursive: true })
  writeFileSync(join(directory, 'openclaw.json'), '{}')
  const database = new DatabaseSync(join(directory, 'state/agents/main/agent/openclaw-agent.sqlite'))
  database.exec('pragma journal_mode = wal; create table turns (id integer primary key, payload text)')
  const insert = database.prepare('insert into turns (payload) values (?)')
  let random = 1
  const text = (length: number): string => {
    const parts: string[] = []
    for (let at = 0; at < length; at += 6) {
      // As good as chance for a compressor, and the same each time.
      random = (random * 48_271) % 2_147_483_647
      parts.push(random % 7 === 0 ? String(random) : (words[random % words.length] as string))
    }
    return parts.join(' ')
  }
  for (let written = 0; written < mebibytes * 0.6; written++) {
    database.exec('begin')
    for (let row = 0; row < 64; row++) insert.run(JSON.stringify({ role: 'user', content: text(16_000) }))
    database.exec('commit')
  }
  database.close()
  for (let file = 0; file < mebibytes * 3; file++)
    writeFileSync(join(directory, 'workspace/notes', `${file}.md`), text(100_000))
  const media = openSync(join(directory, 'workspace/media.bin'), 'w')
  for (let written = 0; written < mebibytes * 0.1; written++) writeSync(media, randomBytes(2 ** 20))
  return { directory, remove: () => rmSync(directory, { recursive: true, force: true }) }
}
