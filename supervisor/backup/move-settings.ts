import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { z } from 'zod'
import { configName } from './places.ts'
import { isSqlite } from './sqlite.ts'

/**
 * What names paths below the old slot's directory names the same below the new one: in OpenClaw's settings, and in its
 * databases, where sessions keep their workspace and timers the file they once came from. On machines that give every
 * slot the same directory there is nothing to do.
 */
export async function moveSettings(tree: string, from: string, to: string): Promise<void> {
  if (from === to) return
  await moveConfig(join(tree, configName), from, to)
  for (const entry of await readdir(join(tree, 'state'), { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    // OpenClaw's own: what an agent or a plugin keeps in theirs is not ours to edit.
    if (entry.isFile() && /^openclaw.*\.sqlite$/.test(entry.name) && (await isSqlite(path)))
      moveDatabase(path, from, to)
  }
}

async function moveConfig(path: string, from: string, to: string): Promise<void> {
  const text = await readFile(path, 'utf8').catch(() => undefined)
  if (text === undefined) return
  const moved = moveIn(JSON.parse(text), from, to)
  await writeFile(path, `${JSON.stringify(moved, null, 2)}\n`, { mode: 0o600 })
}

function moveIn(value: unknown, from: string, to: string): unknown {
  if (typeof value === 'string')
    return value === from || value.startsWith(`${from}/`) ? to + value.slice(from.length) : value
  if (Array.isArray(value)) return value.map((item) => moveIn(item, from, to))
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, moveIn(item, from, to)]))
  return value
}

const tableSchema = z.object({ name: z.string() })
const columnSchema = z.object({ name: z.string(), type: z.string(), hidden: z.number() })

/** The directory's name is long and unique, so that no text holds it by chance. */
function moveDatabase(path: string, from: string, to: string): void {
  const database = new DatabaseSync(path)
  try {
    database.exec('begin')
    // Neither search indexes, which follow by their triggers, nor SQLite's own tables.
    const tables = database
      .prepare(
        "select name from pragma_table_list where schema = 'main' and type = 'table' and name not like 'sqlite_%'",
      )
      .all()
      .map((row) => tableSchema.parse(row).name)
    for (const table of tables) {
      const columns = database
        .prepare('select name, type, hidden from pragma_table_xinfo(?)')
        .all(table)
        .map((row) => columnSchema.parse(row))
      for (const { name, type, hidden } of columns) {
        if (hidden !== 0 || !/text|char|clob|^$/i.test(type)) continue
        const column = quoted(name)
        database
          .prepare(
            `update ${quoted(table)} set ${column} = replace(${column}, ?, ?)
            where typeof(${column}) = 'text' and instr(${column}, ?) > 0`,
          )
          .run(`${from}/`, `${to}/`, `${from}/`)
      }
    }
    database.exec('commit')
  } finally {
    database.close()
  }
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}
