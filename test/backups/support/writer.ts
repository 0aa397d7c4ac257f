import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

/**
 * A process of its own that never stops writing: what OpenClaw does while a backup is taken, and more of it:
 * `DIRECTORY [DATABASE...]`, which have a table of turns.
 */
const [directory, ...given] = process.argv.slice(2)
const standard = ['state/state/openclaw.sqlite', 'state/agents/main/agent/openclaw-agent.sqlite']
const databases = (given.length > 0 ? given : standard).map(
  (path) => new DatabaseSync(join(directory as string, path), { timeout: 10_000 }),
)
let count = 0
function turn(): void {
  for (let row = 0; row < 20; row++) {
    count += 1
    for (const database of databases) {
      database.exec('begin immediate')
      database.prepare('insert into turns (text, twin) values (?, ?)').run(`turn ${count}`, `turn ${count}`)
      // Keeps the size as it is, and pages on the move.
      database.prepare('delete from turns where id < ?').run(count - 2_000)
      database.exec('commit')
    }
  }
  setTimeout(turn, 1)
}
turn()
