import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

/** A slot's directory as OpenClaw leaves it: databases in WAL mode, settings, files of the agent. */
export interface SlotState {
  directory: string
  /** One turn: rows in both databases, and a file. */
  write(text: string): void
  close(): void
}

export function createSlotState(): SlotState {
  const directory = mkdtempSync(join(tmpdir(), 'reef-backup-slot-'))
  for (const path of ['state/state', 'state/agents/main/agent', 'workspace/notes'])
    mkdirSync(join(directory, path), { recursive: true })
  writeFileSync(
    join(directory, 'openclaw.json'),
    JSON.stringify({ agents: { defaults: { workspace: join(directory, 'workspace') } } }),
  )
  const databases = ['state/state/openclaw.sqlite', 'state/agents/main/agent/openclaw-agent.sqlite'].map(
    (path) => open(join(directory, path)),
  )
  let count = 0
  return {
    directory,
    write: (text) => {
      count += 1
      for (const database of databases)
        database.prepare('insert into turns (text, twin) values (?, ?)').run(text, text)
      writeFileSync(join(directory, 'workspace/notes', `${count % 20}.md`), `${text}\n`.repeat(20))
    },
    close: () => {
      for (const database of databases) database.close()
    },
  }
}

function open(path: string): DatabaseSync {
  const database = new DatabaseSync(path, { timeout: 10_000 })
  database.exec(`pragma journal_mode = wal; pragma synchronous = normal;
    create table if not exists turns (id integer primary key, text text not null, twin text not null);
    create index if not exists turns_text on turns (text)`)
  return database
}
