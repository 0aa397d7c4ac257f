import { sql } from 'kysely'
import type { Database } from '../../db/database.ts'
import type { Tables } from '../../db/schema.ts'
import { createBatched } from './batch.ts'
import type { Meter, ModelCall, ModelCallEnd } from './meter.ts'

/** Most time that a model call may take. The gateway ends it then, so a row that is older belongs to nobody alive. */
export const callSecondsMax = 1800

/** Between the end of the longest call and the moment its row counts as abandoned: time for its settlement. */
const settleGraceSeconds = 300

export interface RecordingMeterOptions {
  database: Database
  /** Told about usage that could not be written after all attempts. */
  onLost: (error: unknown, call: ModelCall) => void
  /** Waits between the attempts to write a settlement, in milliseconds. */
  retryDelaysMilliseconds?: number[]
}

/** Admits every call and writes one row for each: pending before, settled after. Calls at the same time share writes. */
export function createRecordingMeter(options: RecordingMeterOptions): Meter {
  const { database } = options
  const delays = options.retryDelaysMilliseconds ?? [250, 1000, 4000]
  const writePending = createBatched(async (calls: ModelCall[]) => {
    await insertPending(database, calls)
    return calls
  })
  const writeEnd = createBatched(async (settled: Settled[]) => {
    await upsertSettled(database, settled)
    return settled
  })

  const settle = async (settled: Settled): Promise<void> => {
    for (let attempt = 0; ; attempt++) {
      try {
        await writeEnd(settled)
        return
      } catch (error) {
        const delay = delays[attempt]
        if (delay === undefined) {
          // The row stays pending, and the sweep closes it.
          options.onLost(error, settled.call)
          return
        }
        await new Promise((resolve) => setTimeout(resolve, delay).unref())
      }
    }
  }

  return {
    begin: async (call) => {
      await writePending(call)
      return { admitted: true, settle: (end) => settle({ call, end }) }
    },
  }
}

interface Settled {
  call: ModelCall
  end: ModelCallEnd
}

async function insertPending(database: Database, calls: ModelCall[]): Promise<void> {
  const rows = calls.map((call) => ({ ...identityOf(call), outcome: 'pending' as const }))
  await database.asSystem((trx) =>
    trx
      .insertInto('model_calls')
      .values(rows)
      // The rows only have to survive this process, not the database's machine: a settlement writes them again whole.
      // Not waiting for the disk keeps the time to the first token; said here, it costs no round trip of its own.
      .returning(sql`set_config('synchronous_commit', 'off', true)`.as('synchronous'))
      .execute(),
  )
}

async function upsertSettled(database: Database, settled: Settled[]): Promise<void> {
  const rows = settled.map(({ call, end }) => ({
    ...identityOf(call),
    outcome: end.outcome,
    http_status: end.httpStatus,
    error_code: end.errorCode,
    input_tokens: end.usage?.inputTokens ?? null,
    cached_input_tokens: end.usage?.cachedInputTokens ?? null,
    cache_write_input_tokens: end.usage?.cacheWriteInputTokens ?? null,
    output_tokens: end.usage?.outputTokens ?? null,
    reasoning_tokens: end.usage?.reasoningTokens ?? null,
    first_byte_at: end.firstByteAt,
    finished_at: end.finishedAt,
  }))
  await database.asSystem((trx) =>
    trx
      .insertInto('model_calls')
      .values(rows)
      .onConflict((conflict) =>
        conflict.column('id').doUpdateSet((row) => ({
          outcome: row.ref('excluded.outcome'),
          http_status: row.ref('excluded.http_status'),
          error_code: row.ref('excluded.error_code'),
          input_tokens: row.ref('excluded.input_tokens'),
          cached_input_tokens: row.ref('excluded.cached_input_tokens'),
          cache_write_input_tokens: row.ref('excluded.cache_write_input_tokens'),
          output_tokens: row.ref('excluded.output_tokens'),
          reasoning_tokens: row.ref('excluded.reasoning_tokens'),
          first_byte_at: row.ref('excluded.first_byte_at'),
          finished_at: row.ref('excluded.finished_at'),
        })),
      )
      .execute(),
  )
}

function identityOf(call: ModelCall) {
  return {
    id: call.id,
    organization_id: call.organizationId,
    instance_id: call.instanceId,
    slot_id: call.slotId,
    session_id: call.sessionId,
    provider: call.provider,
    model: call.model,
    protocol: call.protocol satisfies Tables['model_calls']['protocol'],
    streamed: call.streamed,
  }
}

/**
 * Closes the rows of calls whose control plane died before it could settle them. What they used is unknown to Reef.
 * The database's clock decides, since it also wrote `started_at`. Answers how many were closed.
 */
export async function closeAbandonedModelCalls(database: Database): Promise<number> {
  const seconds = callSecondsMax + settleGraceSeconds
  const result = await database.asSystem((trx) =>
    trx
      .updateTable('model_calls')
      .set({ outcome: 'cancelled', error_code: 'control_plane_lost', finished_at: sql<Date>`now()` })
      .where('outcome', '=', 'pending')
      .where('started_at', '<', sql<Date>`now() - make_interval(secs => ${seconds})`)
      .executeTakeFirst(),
  )
  return Number(result.numUpdatedRows)
}
