import { sql } from 'kysely'
import type { Database, Trx } from '../../db/database.ts'
import { abandonedCode, type SettledCall } from '../usage/call-store.ts'

export interface CallConfirmation {
  /** A settlement that was committed without waiting for the disk. */
  add(settled: SettledCall): void
  /** Confirms what there is, for the last time. */
  stop(): Promise<void>
}

export interface CallConfirmationOptions {
  database: Database
  milliseconds: number
  /** It is on the database's disk. */
  onConfirmed(settled: SettledCall): void
  /** The database was away in between, and may have come back without it. */
  onUnsure(settled: SettledCall): void
}

/**
 * Makes sure of many settlements at once, some time after them: a transaction that holds a row which all calls of an
 * organization need does not wait for the disk, and yet nothing is believed to be safe before it is. PostgreSQL writes its
 * log in order, so one commit that does wait vouches for whatever it saw.
 */
export function createCallConfirmation(options: CallConfirmationOptions): CallConfirmation {
  let waiting: SettledCall[] = []
  let timer: NodeJS.Timeout | undefined
  let running: Promise<void> = Promise.resolve()

  const confirm = async (): Promise<void> => {
    const asked = waiting
    waiting = []
    let found = new Set<string>()
    try {
      found = await options.database.asSystem((trx) => findAndFlush(trx, asked))
    } catch {
      // Then all of them are unsure.
    }
    for (const settled of asked)
      if (found.has(settled.call.id)) options.onConfirmed(settled)
      else options.onUnsure(settled)
  }

  return {
    add: (settled) => {
      waiting.push(settled)
      timer ??= setTimeout(() => {
        timer = undefined
        running = confirm()
      }, options.milliseconds).unref()
    },
    stop: async () => {
      clearTimeout(timer)
      await running
      if (waiting.length > 0) await confirm()
    },
  }
}

/** Answers which of the calls are settled, and writes the smallest thing that a commit waits for. */
async function findAndFlush(trx: Trx, asked: readonly SettledCall[]): Promise<Set<string>> {
  const { rows } = await sql<{ id: string }>`
    select id from model_calls where id = any(${asked.map(({ call }) => call.id)}::uuid[])
    and outcome <> 'pending' and error_code is distinct from ${abandonedCode}`.execute(trx)
  await sql`select pg_logical_emit_message(true, 'reef', '')`.execute(trx)
  return new Set(rows.map(({ id }) => id))
}
